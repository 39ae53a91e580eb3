/// Numbers of a fixed width.
enum Decimals {
    /// `digits` with zeros before them, `width` characters or more.
    static func padded(_ digits: String, to width: Int) -> String {
        String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }

    /// `value` with four digits after the point at most, for people.
    static func short(_ value: Double) -> String { "\((1e4 * value).rounded() / 1e4)" }

    /// `value` in `width` digits or more.
    static func padded(_ value: some BinaryInteger, to width: Int) -> String {
        padded(String(value), to: width)
    }
}
