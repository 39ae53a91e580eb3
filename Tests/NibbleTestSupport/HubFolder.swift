internal import Foundation
package import NibbleCheckpoint

/// A copy of a hub folder of the fixtures, to be changed: files, fields of its JSON, tensors.
package final class HubFolder {
    private let temporary: TemporaryFolder
    /// The folder.
    package let path: String

    /// Copies `hub/NAME`.
    package init(_ name: String) throws {
        temporary = try TemporaryFolder()
        path = temporary.file(name)
        try FileManager.default.copyItem(atPath: Fixtures.path("hub/\(name)"), toPath: path)
    }

    /// The path of a file beside the folder.
    package func beside(_ name: String) -> String { temporary.file(name) }

    /// The path of a file in the folder.
    package func file(_ name: String) -> String { path + "/" + name }

    /// Whether there is a file of that name.
    package func has(_ name: String) -> Bool { FileManager.default.fileExists(atPath: file(name)) }

    /// Removes a file; false where there is none.
    @discardableResult
    package func remove(_ name: String) throws -> Bool {
        guard has(name) else { return false }
        try FileManager.default.removeItem(atPath: file(name))
        return true
    }

    /// Writes a file, and the folder that it is in.
    package func write(_ text: String, to name: String) throws {
        let parent = (file(name) as NSString).deletingLastPathComponent
        try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(fileURLWithPath: file(name)))
    }

    /// Changes a file of JSON; one that is not there begins empty.
    package func edit(_ name: String, _ change: (inout [String: Any]) -> Void) throws {
        var object: [String: Any] = [:]
        if has(name) {
            let data = try Data(contentsOf: URL(fileURLWithPath: file(name)))
            object = try JSONSerialization.jsonObject(with: data) as? [String: Any] ?? [:]
        }
        change(&object)
        let data = try JSONSerialization.data(withJSONObject: object, options: [.sortedKeys])
        try data.write(to: URL(fileURLWithPath: file(name)))
    }

    /// A file of JSON.
    package func json(_ name: String) throws -> [String: Any] {
        let data = try Data(contentsOf: URL(fileURLWithPath: file(name)))
        return try JSONSerialization.jsonObject(with: data) as? [String: Any] ?? [:]
    }

    /// Changes the fields of the text model in `config.json`.
    package func editConfiguration(_ change: (inout [String: Any]) -> Void) throws {
        try edit("config.json") { object in
            if var text = object["text_config"] as? [String: Any] {
                change(&text)
                object["text_config"] = text
            } else {
                change(&object)
            }
        }
    }

    // MARK: - Tensors

    /// A tensor of a safetensors file.
    package struct Tensor {
        package var name: String
        package var type: SafetensorsType
        package var shape: [Int]
        package var bytes: [UInt8]

        package init(name: String, type: SafetensorsType, shape: [Int], bytes: [UInt8]) {
            self.name = name
            self.type = type
            self.shape = shape
            self.bytes = bytes
        }

        /// A tensor of F32.
        package init(name: String, shape: [Int], floats: [Float]) {
            self.init(
                name: name, type: .f32, shape: shape,
                bytes: floats.flatMap { value in
                    withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) }
                })
        }
    }

    /// The tensors of all shards.
    package var tensors: [Tensor] {
        get throws {
            try SafetensorsCheckpoint(path: path).files.flatMap { file in
                file.entries.map { entry in
                    Tensor(
                        name: entry.name, type: entry.type, shape: entry.shape,
                        bytes: Array(file.file.bytes[entry.range]))
                }
            }
        }
    }

    /// Changes the tensors, and writes them in one file without index; false where nothing was changed.
    @discardableResult
    package func editTensors(_ change: (inout [Tensor]) -> Bool) throws -> Bool {
        var tensors = try tensors
        guard change(&tensors) else { return false }
        for name in try FileManager.default.contentsOfDirectory(atPath: path)
        where name.hasSuffix(".safetensors") || name.hasSuffix(".index.json") { try remove(name) }
        try Self.write(tensors, to: file("model.safetensors"))
        return true
    }

    /// Writes the tensors in two shards without an index.
    package func splitIntoShards() throws {
        let tensors = try tensors
        try editTensors { _ in true }
        try remove("model.safetensors")
        let half = tensors.count / 2
        try Self.write(Array(tensors[..<half]), to: file("model-00001-of-00002.safetensors"))
        try Self.write(Array(tensors[half...]), to: file("model-00002-of-00002.safetensors"))
    }

    private static func write(_ tensors: [Tensor], to path: String) throws {
        let header = SafetensorsHeader(
            tensors.map { .init(name: $0.name, type: $0.type, shape: $0.shape) },
            metadata: [("format", "pt")])
        try Data(header.bytes + tensors.flatMap(\.bytes)).write(to: URL(fileURLWithPath: path))
    }
}

extension Array<HubFolder.Tensor> {
    /// The name under which a tensor of the text model stands, whatever stands before it.
    package func name(ending: String) -> String? {
        first { $0.name.hasSuffix(ending) && !$0.name.contains("vision") }?.name
    }
}
