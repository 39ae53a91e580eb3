internal import Foundation
internal import NibbleCheckpoint

/// What `Tests/Fixtures/make_tokens.py` recorded of llama.cpp's tokens.
package struct RecordedTokens: Decodable, Sendable {
    /// The seed of the longer texts.
    package let seed: UInt64
    /// Bytes of the longer texts for the fixtures, and for the real models.
    package let tinySize: Int
    package let realSize: Int
    private let texts: [String]
    /// What was recorded, by model.
    package let tiny: [String: Model]
    package let real: [String: Model]

    package struct Model: Decodable, Sendable {
        /// The tokens of each text; none where llama.cpp fails.
        package let texts: [Tokens]?
        /// Digests of longer texts by kind.
        package let seeded: [String: Digests]
    }

    package struct Tokens: Decodable, Sendable {
        package let plain: [Int32]?
        /// With texts of control tokens read as such, where that differs.
        package let parsed: [Int32]?
    }

    package struct Digests: Decodable, Sendable {
        package let plain: Digest?
        package let parsed: Digest?
    }

    package struct Digest: Decodable, Sendable, Equatable {
        package let count: Int
        package let sha256: String

        /// The digest of tokens.
        package init(_ tokens: [Int32]) {
            count = tokens.count
            var bytes: [UInt8] = []
            bytes.reserveCapacity(4 * tokens.count)
            for token in tokens { withUnsafeBytes(of: token.littleEndian) { bytes.append(contentsOf: $0) } }
            sha256 = SHA256.hex(bytes)
        }
    }

    package init() throws {
        let data = try Data(contentsOf: URL(fileURLWithPath: Fixtures.path("tokens.json")))
        self = try JSONDecoder().decode(RecordedTokens.self, from: data)
    }

    /// The short texts.
    package var shortTexts: [[UInt8]] {
        texts.map { digits in
            stride(from: 0, to: digits.utf8.count, by: 2).compactMap { offset in
                UInt8(digits.dropFirst(offset).prefix(2), radix: 16)
            }
        }
    }
}
