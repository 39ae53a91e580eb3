/// The known name that an unknown one was probably meant to be.
package enum NearestName {
    /// `did you mean 'steps'?`, or nil where no name is near: a third of its length away at most.
    package static func advice(_ name: String, among names: [String]) -> String? {
        // A long name is no misspelling of a short one.
        guard name.utf8.count <= 64 else { return nil }
        let ranked = names.map { (name: $0, distance: distance(Array(name.utf8), Array($0.utf8))) }
        guard let best = ranked.min(by: { $0.distance < $1.distance }),
            best.distance <= max(1, best.name.utf8.count / 3)
        else { return nil }
        return "did you mean '\(best.name)'?"
    }

    /// Insertions, deletions and replacements that lead from one to the other (Levenshtein), case ignored.
    private static func distance(_ first: [UInt8], _ second: [UInt8]) -> Int {
        func folded(_ byte: UInt8) -> UInt8 { (0x41...0x5A).contains(byte) ? byte | 0x20 : byte }
        var row = Array(0...second.count)
        for (i, a) in first.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, b) in second.enumerated() {
                let replaced = diagonal + (folded(a) == folded(b) ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(replaced, row[j] + 1, diagonal + 1)
            }
        }
        return row[second.count]
    }
}
