internal import NibbleCheckpoint
internal import NibbleNumerics

extension ImportanceMatrix {
    /// The GGUF form: `NAME.in_sum2` holds sums of squares, `NAME.counts` how many tokens they cover.
    init(gguf file: GGUFFile) throws(CheckpointError) {
        let path = file.file.path
        guard let datasets = try file.metadata.value("imatrix.datasets")?.elements,
            let chunkCount = try file.metadata.value("imatrix.chunk_count")?.integer,
            let chunkSize = try file.metadata.value("imatrix.chunk_size")?.integer
        else {
            throw CheckpointError(
                .missing, path: path,
                "lacks imatrix.datasets, imatrix.chunk_count or imatrix.chunk_size, so it is no importance matrix"
            )
        }
        var sums: [String: [Float]] = [:]
        var counts: [String: [Float]] = [:]
        for tensor in file.tensors {
            guard tensor.type == .f32 else {
                throw CheckpointError(
                    .malformed, path: path, subject: "tensor '\(tensor.name)'",
                    "is stored as \(tensor.type), expected F32")
            }
            if tensor.name.hasSuffix(".in_sum2") {
                sums[String(tensor.name.dropLast(8))] = try tensor.floats()
            } else if tensor.name.hasSuffix(".counts") {
                counts[String(tensor.name.dropLast(7))] = try tensor.floats()
            }
        }
        self.path = path
        self.datasets = datasets.compactMap(\.text)
        self.chunkCount = chunkCount
        self.chunkSize = chunkSize
        weights = [:]
        self.counts = [:]
        for (name, sum) in sums {
            guard let count = counts.removeValue(forKey: name), !count.isEmpty,
                sum.count.isMultiple(of: count.count)
            else {
                throw CheckpointError(
                    .inconsistent, path: path, subject: "tensor '\(name).in_sum2'",
                    "has no counts, or counts of another shape")
            }
            let columns = sum.count / count.count
            // Whole numbers stored as floats.
            let whole = count.map { $0.rounded(.toNearestOrAwayFromZero) }
            guard whole.allSatisfy({ $0 >= 0 && $0.isFinite }) else {
                throw CheckpointError(
                    .invalidValue, path: path, subject: "tensor '\(name).counts'",
                    "holds \(count.min() ?? 0), expected numbers of tokens")
            }
            self.counts[name] = whole
            weights[name] = sum.indices.map { index in
                // An expert that saw no token weighs all alike.
                let tokens = whole[index / max(columns, 1)]
                return tokens > 0 ? sum[index] / tokens : 1
            }
        }
        if let name = counts.keys.min() {
            throw CheckpointError(
                .inconsistent, path: path, subject: "tensor '\(name).counts'", "has no sums")
        }
    }

    /// The older form: entries of name, number of calls and values; then chunk count and data set.
    init(legacy file: MappedFile) throws(CheckpointError) {
        var reader = LegacyReader(file)
        let count = try reader.count("number of entries", smallest: 12)
        guard count > 0 else {
            throw CheckpointError(
                .malformed, path: file.path, offset: 0,
                "is no importance matrix: it announces \(count) entries")
        }
        path = file.path
        weights = [:]
        datasets = []
        for index in 0..<count {
            let name = try reader.string("name of entry \(index)")
            let calls = try reader.integer("entry '\(name)'")
            let values = try reader.floats(
                try reader.count("entry '\(name)'", smallest: 4), "entry '\(name)'")
            weights[name] = calls > 0 ? values.map { $0 / Float(calls) } : values
            chunks[name] = Int(max(calls, 0))
        }
        chunkCount = nil
        if !reader.isAtEnd {
            chunkCount = Int(try reader.integer("chunk count"))
            if !reader.isAtEnd { datasets = [try reader.string("data set")] }
        }
    }

    /// Reads the little-endian records of the older form.
    private struct LegacyReader {
        private let file: MappedFile
        private var position = 0

        init(_ file: MappedFile) { self.file = file }

        var isAtEnd: Bool { position == file.count }

        private mutating func take(_ count: Int, _ subject: String) throws(CheckpointError) -> Int {
            guard count >= 0, count <= file.count - position else {
                throw CheckpointError(
                    .truncated, path: file.path, offset: position, subject: subject,
                    "needs \(count) bytes, the file has \(file.count - position) left",
                    advice: "is this an importance matrix?")
            }
            position += count
            return position - count
        }

        mutating func integer(_ subject: String) throws(CheckpointError) -> Int32 {
            let start = try take(4, subject)
            return Int32(littleEndian: file.bytes.loadUnaligned(fromByteOffset: start, as: Int32.self))
        }

        mutating func count(_ subject: String, smallest: Int) throws(CheckpointError) -> Int {
            let start = position
            let count = Int(try integer(subject))
            guard count >= 0, count <= (file.count - position) / smallest else {
                throw CheckpointError(
                    .malformed, path: file.path, offset: start, subject: subject,
                    "announces \(count) items, the file has \(file.count - position) bytes left",
                    advice: "is this an importance matrix?")
            }
            return count
        }

        mutating func string(_ subject: String) throws(CheckpointError) -> String {
            let count = try count(subject, smallest: 1)
            let start = try take(count, subject)
            guard let string = String(validating: file.bytes[start..<start + count], as: UTF8.self) else {
                throw CheckpointError(
                    .malformed, path: file.path, offset: start, subject: subject, "is not valid UTF-8")
            }
            return string
        }

        mutating func floats(_ count: Int, _ subject: String) throws(CheckpointError) -> [Float] {
            let start = try take(count * 4, subject)
            return (0..<count).map { index in
                let bits = file.bytes.loadUnaligned(fromByteOffset: start + 4 * index, as: UInt32.self)
                return Float(bitPattern: UInt32(littleEndian: bits))
            }
        }
    }
}
