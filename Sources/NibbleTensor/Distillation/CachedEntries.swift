/// Gradients of the logits of a cached teacher's entries, by slabs of the vocabulary.
struct CachedEntries {
    private struct Entry {
        var row: Int32
        var token: Int32
        var gradient: Float
    }

    /// Sorted by slab; within one in the order of the tokens.
    private var entries: [Entry] = []
    /// Where each slab begins, one more than slabs.
    private var starts: [Int]

    /// - Parameters:
    ///   - teacher: of the slice's tokens.
    ///   - height: rows of a slab.
    ///   - gradient: that of a token's entry.
    init(
        _ teacher: TeacherProbabilities, vocabularySize: Int, height: Int,
        gradient: (_ token: Int, _ entry: Int) -> Float
    ) {
        // Counting sort: all entries of a slice are some ten thousand.
        let slabs = (vocabularySize + height - 1) / height
        starts = [Int](repeating: 0, count: slabs + 1)
        for id in teacher.ids { starts[Int(id) / height + 1] += 1 }
        for slab in 0..<slabs { starts[slab + 1] += starts[slab] }
        var next = starts
        entries = Array(repeating: Entry(row: 0, token: 0, gradient: 0), count: teacher.ids.count)
        for token in 0..<teacher.count {
            for entry in 0..<teacher.top {
                let row = teacher.ids[token * teacher.top + entry]
                let slab = Int(row) / height
                entries[next[slab]] = Entry(
                    row: row, token: Int32(token), gradient: gradient(token, entry))
                next[slab] += 1
            }
        }
    }

    /// Sets the gradients of a slab's entries in the panel of `tokens`.
    func set(
        slab: Int, rows: Range<Int>, tokens: Range<Int>, width: Int, in gradient: UnsafeMutablePointer<Float>
    ) {
        for entry in entries[starts[slab]..<starts[slab + 1]] where tokens.contains(Int(entry.token)) {
            gradient[(Int(entry.row) - rows.lowerBound) * width + Int(entry.token) - tokens.lowerBound] =
                entry.gradient
        }
    }
}
