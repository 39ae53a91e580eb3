/// Whether bytes are text.
package enum UTF8Validation {
    /// The offset of the first byte that belongs to no well-formed UTF-8; nil where all do.
    package static func firstInvalidByte(_ bytes: UnsafeRawBufferPointer) -> Int? {
        unsafe bytes.withMemoryRebound(to: UInt8.self) { bytes in
            do throws(UTF8.ValidationError) {
                _ = try UTF8Span(validating: unsafe Span(_unsafeElements: bytes))
                return nil
            } catch {
                return error.byteOffsets.lowerBound
            }
        }
    }
}
