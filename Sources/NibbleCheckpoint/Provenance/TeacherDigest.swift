internal import Dispatch
internal import NibbleNumerics
internal import Synchronization

/// What identifies the weights of a checkpoint: a SHA-256 over its tensors' names, shapes, types and bytes,
/// the same however the tensors are spread over files or ordered in them.
///
/// Metadata, configuration and tokenizer do not count, nor do tensors outside of the text model. A hub folder
/// and a GGUF file of the same model have different digests, as their names and conventions differ.
///
/// The digest is that of, for each tensor in the order of the bytes of its name: the name and the type's name
/// (`BF16`), each after its length, the number of extents and the extents, slowest first, the number of bytes,
/// all numbers as 64 bits, little-endian; and then the digests of the bytes in pieces of 4 MiB. A packed matrix counts
/// with the bytes of its codes, scales and offsets, each part in pieces of its own, and its form instead of a type.
///
/// ```swift
/// let digest = TeacherDigest(try ModelCheckpoint(path: "gemma-3-270m"), threads: 2)
/// print(digest)  // 64 hexadecimal digits
/// ```
public struct TeacherDigest: Sendable, Hashable {
    /// The digest, 32 bytes.
    public let bytes: [UInt8]

    /// Bytes that are hashed apart, so that threads can share a large tensor.
    private static let pieceSize = 1 << 22

    /// Reads all tensors of `model` once, on `threads` threads.
    public init(_ model: ModelCheckpoint, threads: Int) {
        precondition(threads > 0, "threads is \(threads), expected at least 1")
        let entries = model.tensors.map(\.entry).sorted {
            $0.name.utf8.lexicographicallyPrecedes($1.name.utf8)
        }
        let pieces = entries.flatMap { entry in
            Self.parts(of: entry).flatMap { file, range in
                stride(from: range.lowerBound, to: range.upperBound, by: Self.pieceSize).map {
                    (file: file, range: $0..<min($0 + Self.pieceSize, range.upperBound))
                }
            }
        }
        let digests = Mutex([[UInt8]](repeating: [], count: pieces.count))
        let next = Atomic(0)
        DispatchQueue.concurrentPerform(iterations: min(threads, max(pieces.count, 1))) { _ in
            while true {
                let index = next.add(1, ordering: .relaxed).oldValue
                guard index < pieces.count else { return }
                let digest = Self.digest(of: pieces[index].range, in: pieces[index].file)
                digests.withLock { $0[index] = digest }
            }
        }
        bytes = Self.digest(of: entries, pieces: digests.withLock { $0 })
    }

    /// Where a tensor's bytes stand.
    private static func parts(of entry: TensorEntry) -> [FileRange] {
        entry.packing?.parts ?? [(entry.file, entry.range)]
    }

    private static func digest(of range: Range<Int>, in file: MappedFile) -> [UInt8] {
        var hash = SHA256()
        file.prefetch(range)
        hash.update(UnsafeRawBufferPointer(rebasing: file.bytes[range]))
        file.release(range)
        return hash.finalized()
    }

    private static func digest(of entries: [TensorEntry], pieces: [[UInt8]]) -> [UInt8] {
        var hash = SHA256()
        var rest = pieces[...]
        for entry in entries {
            var head: [UInt8] = []
            for text in [entry.name, entry.packing?.description ?? entry.type.description] {
                head.append(littleEndian: UInt64(text.utf8.count))
                head += text.utf8
            }
            for number in [entry.shape.count] + entry.shape + [entry.byteCount] {
                head.append(littleEndian: UInt64(number))
            }
            let count = parts(of: entry).reduce(0) { $0 + ($1.range.count + pieceSize - 1) / pieceSize }
            for digest in rest.prefix(count) { head += digest }
            rest = rest.dropFirst(count)
            head.withUnsafeBytes { hash.update($0) }
        }
        return hash.finalized()
    }
}

extension TeacherDigest: CustomStringConvertible {
    /// 64 hexadecimal digits in lower case.
    public var description: String { SHA256.digits(of: bytes) }
}
