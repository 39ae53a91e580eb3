internal import CLibrary

/// Numbers as C's `printf` writes them, without Foundation.
package enum FixedDecimal {
    /// `%{width}.{digits}f`
    package static func text(_ value: Double, digits: Int, width: Int = 0) -> String {
        // The largest Double has 309 digits before the point.
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 400) { buffer in
            guard let start = buffer.baseAddress else { return "" }
            let arguments: [any CVarArg] = [Int32(width), Int32(min(digits, 30)), value]
            _ = withVaList(arguments) { vsnprintf(start, buffer.count, "%*.*f", $0) }
            return String(cString: start)
        }
    }
}
