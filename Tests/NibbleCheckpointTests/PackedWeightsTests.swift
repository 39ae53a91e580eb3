import NibbleNumerics
import NibbleTestSupport
import Testing

@testable import NibbleCheckpoint

/// Matrices that MLX and compressed-tensors packed, and the values that these libraries say they have.
@Suite("Packed matrices of hub folders")
struct PackedWeightsTests {
    private static func weights(_ name: String) throws -> PackedWeights {
        let path = Fixtures.path("packed/\(name)")
        return try PackedWeights(
            SafetensorsCheckpoint(path: path + ".safetensors"),
            configuration: try JSONParser.parse(path: path + ".json"), path: path + ".json")
    }

    @Test("hold the values that their library reads", arguments: ["mlx", "compressed-tensors"])
    func values(name: String) throws {
        let weights = try Self.weights(name)
        #expect(weights.foreign.isEmpty)
        let byName = Dictionary(uniqueKeysWithValues: weights.tensors.map { ($0.name, $0) })
        let packed = weights.tensors.filter { $0.packing != nil }
        #expect(packed.count == (name == "mlx" ? 24 : 16))
        // Nothing is left of the parts.
        #expect(weights.tensors.count == 2 * packed.count)
        for entry in packed {
            let module = entry.name.droppingSuffix(".weight")
            let expected = try #require(byName[module + ".expected"])
            #expect(entry.shape == expected.shape, "\(module)")
            let (found, own) = (try entry.floats(), try expected.floats())
            #expect(zip(found, own).allSatisfy { $0 == $1 }, "\(module) as \(entry.type)")
            // In runs that end where they please, as far as blocks allow.
            let unit = entry.type.blockSize
            for run in [unit..<3 * unit, 7 * unit..<entry.elementCount] {
                #expect(entry.values(of: run)?.elementsEqual(own[run]) == true, "\(module), \(run)")
            }
            #expect(entry.elements(1..<1 + unit) == nil || unit == 1)
        }
    }

    @Test("are read as blocks that hold the codes, where scales are halves")
    func types() throws {
        let mlx = try Self.weights("mlx").tensors
        let byName = Dictionary(uniqueKeysWithValues: mlx.map { ($0.name, $0) })
        let file = try SafetensorsFile(path: Fixtures.path("packed/mlx.safetensors"))
        let parts = Dictionary(uniqueKeysWithValues: file.tensors.map { ($0.name, $0) })
        var types: Set<GGMLType> = []
        for entry in mlx {
            guard let bits = entry.packing.map({ _ in Int(entry.name.dropLast(7).suffix(1))! }) else {
                continue
            }
            let module = entry.name.droppingSuffix(".weight")
            let scales = try #require(try parts[module + ".scales"]?.floats())
            let biases = try #require(try parts[module + ".biases"]?.floats())
            let isCentered = zip(scales, biases).allSatisfy { $1 == -Float(1 << (bits - 1)) * $0 }
            let areHalves = (scales + biases).allSatisfy { Float(Float16($0)) == $0 }
            let expected: GGMLType =
                switch (bits, isCentered) {
                case _ where !areHalves: .f32
                case (...4, true): .q4_0
                case (...4, false): .q4_1
                case (5, true): .q5_0
                case (5, false): .q5_1
                case (_, true): .q8_0
                default: .f32
                }
            #expect(entry.type == expected, "\(entry.name)")
            types.insert(entry.type)
        }
        #expect(byName.count == mlx.count && types.isSuperset(of: [.q4_0, .q4_1, .f32]), "\(types)")
        let integers = try Self.weights("compressed-tensors").tensors.filter { $0.packing != nil }
        for entry in integers {
            let name = entry.name.droppingSuffix(".weight")
            let expected: GGMLType =
                switch name {
                case "f32.g32b4", "f16.g64b8z", "i8z": .f32
                case "bf16.g128b4z", "bf16.g32b3z": .q4_1
                case "bf16.g32b5": .q5_0
                case "bf16.g32b6", "bf16.g32b7", "bf16.g32b8", "bf16.rowb8", "i8": .q8_0
                default: .q4_0
                }
            #expect(
                entry.type == expected || (expected == .q4_1 && entry.type == .f32), "\(name): \(entry.type)")
        }
    }

    @Test("count with all of their parts")
    func bytes() throws {
        for name in ["mlx", "compressed-tensors"] {
            let weights = try Self.weights(name)
            let file = try SafetensorsFile(path: Fixtures.path("packed/\(name).safetensors"))
            let shapes = file.entries.filter { $0.name.hasSuffix("_shape") }.count * 16
            let all = file.entries.reduce(0) { $0 + $1.range.count }
            #expect(weights.tensors.reduce(0) { $0 + $1.byteCount } + shapes == all)
        }
    }

    // MARK: - Faults

    /// A tensor to be stored: name, type, shape.
    private typealias Tensor = (name: String, type: String, shape: [Int])

    private static func error(_ tensors: [Tensor], _ configuration: String) throws -> CheckpointError? {
        let folder = try TemporaryFolder()
        var (header, offset) = ("", 0)
        for (name, type, shape) in tensors {
            let size = shape.reduce(1, *) * (try #require(SafetensorsType(rawValue: type))).bits / 8
            header += "\(header.isEmpty ? "" : ",")\"\(name)\":{\"dtype\":\"\(type)\",\"shape\":\(shape),"
            header += "\"data_offsets\":[\(offset),\(offset + size)]}"
            offset += size
        }
        header = "{\(header)}"
        let length = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) }
        let bytes = length + Array(header.utf8) + [UInt8](repeating: 1, count: offset)
        try folder.write(bytes, to: "model.safetensors")
        try folder.write(Array(configuration.utf8), to: "config.json")
        let path = folder.file("config.json")
        do throws(CheckpointError) {
            _ = try PackedWeights(
                SafetensorsCheckpoint(path: folder.file("model.safetensors")),
                configuration: JSONParser.parse(path: path), path: path)
            return nil
        } catch {
            return error
        }
    }

    private static let affine = "{\"quantization\":{\"group_size\":64,\"bits\":4}}"
    private static let integers = """
        {"quantization_config":{"quant_method":"compressed-tensors","config_groups":{"a":{"weights":{"num_bits":4}}}}}
        """

    @Test("that contradict themselves are told by name")
    func faults() throws {
        let words: Tensor = ("a.weight", "U32", [2, 16])
        let scales: Tensor = ("a.scales", "BF16", [2, 2])
        let biases: Tensor = ("a.biases", "BF16", [2, 2])
        let packed: Tensor = ("a.weight_packed", "I32", [2, 8])
        let scale: Tensor = ("a.weight_scale", "BF16", [2, 2])
        let shape: Tensor = ("a.weight_shape", "I64", [2])
        let cases: [(tensors: [Tensor], configuration: String, subject: String, problem: String)] = [
            (
                [words, scales], Self.affine, "tensor 'a.biases'",
                "is missing, which a.weight cannot be read without"
            ),
            ([scales, biases, ("b.weight", "U32", [1, 1])], Self.affine, "tensor 'a.weight'", "is missing"),
            (
                [("a.weight", "F32", [2, 16]), scales, biases, ("b", "U32", [1])], Self.affine,
                "tensor 'a.weight'",
                "is F32 2 x 16 beside scales of 2 x 2"
            ),
            (
                [words, scales, ("a.biases", "BF16", [2, 3])], Self.affine, "tensor 'a.biases'",
                "is 2 x 3, expected 2 x 2"
            ),
            (
                [words, scales, ("a.biases", "I8", [2, 2])], Self.affine, "tensor 'a.biases'",
                "has elements of type I8"
            ),
            (
                [("a.weight", "U32", [2, 15]), scales, biases], Self.affine, "tensor 'a.weight'",
                "has 15 words a row and 2 scales, which are not 4 bits in groups of 64"
            ),
            ([words, scales, biases], "{}", "'quantization' of a", "states no group_size and bits"),
            (
                [words, scales, biases], "{\"quantization\":{\"group_size\":64,\"bits\":7}}",
                "'quantization' of a",
                "is 7 bits in groups of 64"
            ),
            (
                [words, scales, biases],
                "{\"quantization\":{\"group_size\":32,\"bits\":4,\"mode\":\"mxfp4\"}}",
                "'quantization' of a", "has the mode 'mxfp4'; affine is read"
            ),
            ([packed, scale], Self.integers, "tensor 'a.weight_shape'", "is missing"),
            ([packed, shape], Self.integers, "tensor 'a.weight_shape'", "does not hold two extents"),
            (
                [packed, scale, ("a.weight_shape", "I64", [3])], Self.integers, "tensor 'a.weight_shape'",
                "does not hold two extents (I64 3)"
            ),
            (
                [packed, scale, shape, ("a.weight_g_idx", "I32", [64])], Self.integers,
                "tensor 'a.weight_g_idx'",
                "puts columns into groups"
            ),
            (
                [("a.weight", "U32", [0, 1 << 60]), ("a.scales", "BF16", [0, 1 << 60]), biases], Self.affine,
                "tensor 'a.weight'", "has the extents 0 x 1152921504606846976"
            ),
            (
                [("a.weight", "I8", [0, 1 << 60]), ("a.weight_scale", "BF16", [0, 1])], Self.integers,
                "tensor 'a.weight'", "has the extents 0 x 1152921504606846976"
            ),
            (
                [("a.weight", "I8", [2, 30]), ("a.weight_scale", "BF16", [2, 4])], Self.integers,
                "tensor 'a.weight_scale'", "is 2 x 4 for 2 rows of 30"
            ),
            (
                [("a.weight", "I8", [2, 32]), ("a.weight_scale", "BF16", [1])], Self.integers,
                "tensor 'a.weight_scale'", "is 1 for 2 rows of 32"
            ),
            (
                [
                    ("a.weight", "I8", [2, 32]), ("a.weight_scale", "BF16", [2, 1]),
                    ("a.weight_zero_point", "I8", [2]),
                ],
                Self.integers, "tensor 'a.weight_zero_point'",
                "is I8 2, expected codes of zero for 2 rows of 1 groups"
            ),
            (
                [("a.qweight", "I32", [2, 16])], "{\"quantization_config\":{\"quant_method\":\"gptq\"}}",
                "'quant_method'", "is 'gptq', whose weights cannot be read"
            ),
            (
                [("a.weight", "F8_E4M3", [2, 16])],
                "{\"quantization_config\":{\"quant_method\":\"compressed-tensors\",\"format\":\"float-quantized\"}}",
                "'format'", "is 'float-quantized' of compressed-tensors"
            ),
        ]
        for (tensors, configuration, subject, problem) in cases {
            let error = try #require(try Self.error(tensors, configuration), "\(subject) \(problem)")
            #expect(error.subject == subject && error.problem.contains(problem), "\(error)")
        }
        // A field that older folders lack, and one that says nothing of plain weights.
        #expect(try Self.error([words, scales, biases], Self.affine) == nil)
        #expect(
            try Self.error(
                [("a.weight", "BF16", [2, 2])], "{\"quantization_config\":{\"quant_method\":\"gptq\"}}")
                == nil)
    }
}
