internal import NibbleCheckpoint

/// A training state read back from a run folder, its checksum compared.
///
/// The file is a safetensors file that any reader opens. Its metadata hold, beside the caller's, the step
/// (`nibble.step`) and the XXH64 of the data and the header (`nibble.xxh64`; in the hashed header that
/// value is 16 zeros, members of `__metadata__` are in the order of their names and tensors in that of their data).
final class SavedCheckpoint {
    /// The file.
    let path: String
    /// Optimizer steps done when it was saved.
    let step: Int
    /// What was saved beside the tensors, by the caller.
    let metadata: [String: String]
    /// The tensors in the order of the file. Their bytes are mapped: valid while this object is.
    let tensors: [SavedTensor]
    private let file: SafetensorsFile

    static let stepKey = "nibble.step"
    static let checksumKey = "nibble.xxh64"
    static let blankChecksum = String(repeating: "0", count: 16)

    /// Maps the file at `path` and reads all of it once, to compare its checksum.
    ///
    /// - Throws: `CheckpointError`: `truncated` or `malformed` for a damaged file, `missing` where it was
    ///   not written by a training run.
    init(path: String) throws(CheckpointError) {
        let file = try SafetensorsFile(path: path)
        self.path = path
        self.file = file
        guard let expected = file.metadata[Self.checksumKey],
            let step = file.metadata[Self.stepKey].flatMap({ Int($0) }), step >= 0
        else {
            throw CheckpointError(
                .missing, path: path, "has no \(Self.stepKey) or \(Self.checksumKey) among its metadata",
                advice: "is this a checkpoint of a training run?")
        }
        let found = Self.checksum(file)
        guard found == expected else {
            throw CheckpointError(
                .malformed, path: path, subject: "checksum",
                "is \(found), expected \(expected): the file was damaged after it was written",
                advice: "resume from an earlier checkpoint")
        }
        self.step = step
        metadata = file.metadata.filter { $0.key != Self.checksumKey && $0.key != Self.stepKey }
        var tensors: [SavedTensor] = []
        for entry in file.entries {
            guard let element = SavedTensor.Element(rawValue: entry.type.rawValue) else {
                throw CheckpointError(
                    .unsupported, path: path, subject: "tensor '\(entry.name)'",
                    "is \(entry.type.rawValue), expected one of "
                        + SavedTensor.Element.allCases.map(\.rawValue).joined(separator: ", "))
            }
            tensors.append(
                SavedTensor(
                    name: entry.name, shape: entry.shape, element: element,
                    bytes: UnsafeRawBufferPointer(rebasing: file.file.bytes[entry.range])))
        }
        self.tensors = tensors
    }

    /// Copies a tensor into `destination`, which must have its size.
    ///
    /// - Throws: `CheckpointError`: `missing` where there is no such tensor, `inconsistent` where its shape or
    ///   elements are others.
    func copy(
        _ name: String, shape: [Int], element: SavedTensor.Element,
        into destination: UnsafeMutableRawBufferPointer
    ) throws(CheckpointError) {
        guard let tensor = tensors.first(where: { $0.name == name }) else {
            throw CheckpointError(
                .missing, path: path, subject: "tensor '\(name)'", "is not in the checkpoint",
                advice: "it was saved by a run with another recipe or version")
        }
        guard tensor.shape == shape, tensor.element == element else {
            throw CheckpointError(
                .inconsistent, path: path, subject: "tensor '\(name)'",
                "is \(tensor.element.rawValue) \(tensor.shape), expected \(element.rawValue) \(shape)",
                advice: "it was saved by a run with another recipe or version")
        }
        precondition(
            destination.count == tensor.bytes.count,
            "'\(name)' has \(tensor.bytes.count) bytes, room was given for \(destination.count)")
        guard let start = tensor.bytes.baseAddress, let base = file.file.bytes.baseAddress else { return }
        // A part at a time, as when it was hashed.
        for part in stride(from: 0, to: tensor.bytes.count, by: RunFolder.chunk) {
            let end = min(part + RunFolder.chunk, tensor.bytes.count)
            UnsafeMutableRawBufferPointer(rebasing: destination[part..<end])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: tensor.bytes[part..<end]))
            let offset = start - base
            file.file.release(offset + part..<offset + end)
        }
        withExtendedLifetime(file) {}
    }

    /// The header that the checksum covers.
    static func header(
        _ items: [SafetensorsHeader.Item], step: Int, metadata: [String: String], checksum: String
    ) -> SafetensorsHeader {
        var all = metadata
        all[stepKey] = String(step)
        all[checksumKey] = checksum
        return SafetensorsHeader(items, metadata: all.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
    }

    private static func checksum(_ file: SafetensorsFile) -> String {
        defer { withExtendedLifetime(file.file) {} }
        var hash = XXHash64()
        let data = file.entries.first?.range.lowerBound ?? file.file.count
        // A part at a time, so that pages of a large file need not stay.
        var position = data
        while position < file.file.count {
            let end = min(position + RunFolder.chunk, file.file.count)
            hash.update(UnsafeRawBufferPointer(rebasing: file.file.bytes[position..<end]))
            file.file.release(position..<end)
            position = end
        }
        var metadata = file.metadata
        metadata[checksumKey] = blankChecksum
        let items = file.entries.map { SafetensorsHeader.Item(name: $0.name, type: $0.type, shape: $0.shape) }
        SafetensorsHeader(items, metadata: metadata.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
            .bytes.withUnsafeBytes { hash.update($0) }
        return hash.hexadecimal
    }
}
