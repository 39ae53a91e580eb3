/// Numbers of bytes as people read them.
public enum ByteText {
    /// `543 MB`, `14.1 GB`: powers of 1000, as file sizes are sold.
    public static func text(_ count: Int) -> String {
        var value = Double(count)
        var unit = "B"
        for larger in ["kB", "MB", "GB", "TB"] where value >= 1000 {
            value /= 1000
            unit = larger
        }
        guard unit != "B" else { return "\(count) B" }
        // One digit after the point below 100.
        let tenths = Int((value * 10).rounded())
        return value < 100 ? "\(tenths / 10).\(tenths % 10) \(unit)" : "\(Int(value.rounded())) \(unit)"
    }
}
