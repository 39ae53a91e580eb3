internal import Nibble

/// The paths of the outputs of one conversion to several types.
struct ConversionSet {
    /// The checkpoint that is converted.
    let input: String
    /// The folder that they are in.
    let folder: String

    /// The path of an output: of `gemma-3-270m.bf16.gguf`, `FOLDER/gemma-3-270m.q4_0.gguf` for GGUF types and
    /// `FOLDER/gemma-3-270m.int4_32` for folders of int4.
    func path(of type: QuantizationType) -> String {
        let name = stem + "." + type.rawValue
        return FilePath.join(folder, type.isGGUF ? name + ".gguf" : name)
    }

    /// The input's name without what says of its format.
    private var stem: String {
        var name = FilePath.name(of: FilePath.trimmingSlashes(input))
        for ending in [".gguf", ".safetensors", ".bf16", ".f16", ".f32", "-bf16", "-f16", "-f32"]
        where name.lowercased().hasSuffix(ending) && name.count > ending.count {
            name.removeLast(ending.count)
        }
        return name
    }

    /// What the user should know of some conversions, once each.
    static func warnings(_ reports: [ConversionReport], and others: [String] = []) -> [String] {
        var seen: Set<String> = []
        return (reports.flatMap(\.warnings) + others).filter { seen.insert($0).inserted }
    }

    /// The results of several outputs as one document; that of one output stands alone.
    static func document(_ outputs: [JSONValue]) -> JSONValue {
        outputs.count == 1 ? outputs[0] : .members(["outputs": .array(outputs)])
    }
}
