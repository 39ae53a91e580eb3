internal import Nibble

extension PreparationProgress {
    /// How far the work is, in one line.
    var line: String {
        var line = "\(stage.name): \(Text.count(done)) of \(Text.count(total)) \(stage.unit)"
        if let error { line += ", stream error \(Text.fixed(100 * error, 2)) %" }
        if let remaining { line += ", \(Text.time(remaining / .seconds(1))) left" }
        return line
    }
}
