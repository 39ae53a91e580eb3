internal import Foundation

/// What transformers computes in F32 for the small models: `Tests/Fixtures/logits/logits.json`.
package struct LogitFixtures: Decodable, Sendable {
    package var models: [Model]

    package struct Model: Decodable, Sendable, CustomStringConvertible {
        package var name: String
        /// The hub folder: `hub/llama3`, `hub-logits/gemma3-window`.
        package var folder: String
        /// Whether `<folder>.expected.gguf` exists and holds the weights without further rounding.
        package var gguf: Bool
        package var vocabularySize: Int
        package var file: String
        /// The positions whose logits are kept, in increasing order.
        package var positions: [Int]
        package var tokens: [Int]

        package var description: String { name }

        /// The path of the hub folder.
        package var folderPath: String { Fixtures.path(folder) }

        /// The path of the GGUF file with the same weights; nil where there is none.
        package var ggufPath: String? { gguf ? Fixtures.path(folder + ".expected.gguf") : nil }

        /// The logits, a row for each of ``positions``.
        package var logits: [[Float]] {
            guard let data = try? Data(contentsOf: URL(fileURLWithPath: Fixtures.path(file))),
                data.count == positions.count * vocabularySize * MemoryLayout<Float>.size
            else { preconditionFailure("Tests/Fixtures/\(file) cannot be read") }
            return data.withUnsafeBytes { bytes in
                positions.indices.map { row in
                    (0..<vocabularySize).map { column in
                        let offset = (row * vocabularySize + column) * MemoryLayout<Float>.size
                        let bits = bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
                        return Float(bitPattern: UInt32(littleEndian: bits))
                    }
                }
            }
        }
    }

    /// All models.
    package static let all: [Model] = {
        guard let data = try? Data(contentsOf: URL(fileURLWithPath: Fixtures.path("logits/logits.json"))),
            let fixtures = try? JSONDecoder().decode(LogitFixtures.self, from: data)
        else { preconditionFailure("Tests/Fixtures/logits/logits.json cannot be read") }
        return fixtures.models
    }()
}
