internal import NibbleCheckpoint
internal import NibbleNumerics
internal import NibbleTensor

/// A teacher's largest probabilities for the sequences of a training text, mapped from a file.
///
/// With it a training step computes neither the teacher's blocks nor its vocabulary head. It is written once by
/// ``TeacherCacheBuilder`` for the sequences that a run uses. docs/design/0011-teacher-cache.md has the format.
///
/// ```swift
/// let cache = try TeacherCache(path: "run/teacher.cache", expecting: identity)
/// let probabilities = try cache.probabilities(block: 0)  // of the first sequence
/// ```
struct TeacherCache: Sendable {
    /// What it is made for.
    let identity: TeacherCacheIdentity
    private let file: BlockFile

    /// Opens a cache.
    ///
    /// - Throws: `CheckpointError`: `inconsistent` where it was made for another teacher, text, temperature or number of
    ///   entries, naming which; or where it cannot be read, is cut short or is none.
    init(path: String, expecting identity: TeacherCacheIdentity) throws {
        self.identity = identity
        file = try BlockFile(path: path, expecting: identity.header)
    }

    /// The probabilities of a sequence's tokens, `[sequenceLength][top]`; `block` is in `0 ..< sequenceCount`.
    ///
    /// - Throws: `CheckpointError` (`malformed`) where the block does not have its checksum, or a token is beyond the
    ///   vocabulary.
    func probabilities(block: Int) throws(CheckpointError) -> TeacherProbabilities {
        let found = try file.withBlock(block) { Self.decode($0, identity) }
        guard found.ids.allSatisfy({ $0 >= 0 && Int($0) < identity.vocabularySize }) else {
            throw CheckpointError(
                .malformed, path: file.path, subject: "block \(block)",
                "has a token beyond a vocabulary of \(identity.vocabularySize)",
                advice: "remove the file; it is made anew")
        }
        return found
    }

    // MARK: - Blocks

    /// The bytes of a sequence: ids, F16 probabilities, F32 tails, all little-endian.
    static func encode(_ probabilities: TeacherProbabilities) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(probabilities.count * (6 * probabilities.top + 4))
        for id in probabilities.ids { withUnsafeBytes(of: id.littleEndian) { bytes += $0 } }
        for probability in probabilities.probabilities {
            withUnsafeBytes(of: Half.f16(probability).littleEndian) { bytes += $0 }
        }
        for tail in probabilities.tails { withUnsafeBytes(of: tail.bitPattern.littleEndian) { bytes += $0 } }
        return bytes
    }

    private static func decode(
        _ bytes: UnsafeRawBufferPointer, _ identity: TeacherCacheIdentity
    ) -> TeacherProbabilities {
        let (entries, tokens) = (identity.sequenceLength * identity.top, identity.sequenceLength)
        func values<Value: FixedWidthInteger & BitwiseCopyable>(
            _ count: Int, from offset: Int, as type: Value.Type
        ) -> [Value] {
            (0..<count).map {
                Value(
                    littleEndian: bytes.loadUnaligned(
                        fromByteOffset: offset + $0 * MemoryLayout<Value>.size, as: type))
            }
        }
        return TeacherProbabilities(
            top: identity.top, ids: values(entries, from: 0, as: Int32.self),
            probabilities: values(entries, from: 4 * entries, as: UInt16.self).map { Half.float(f16: $0) },
            tails: values(tokens, from: 6 * entries, as: UInt32.self).map { Float(bitPattern: $0) })
    }
}
