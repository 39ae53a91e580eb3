/// CRC-32C (Castagnoli; RFC 3720, section 12.1), a byte at a time by table.
///
/// What it is used for are records of some 50 bytes, so eight tables or the processor's instruction would gain nothing.
package enum CRC32C {
    /// The reflected polynomial.
    private static let polynomial: UInt32 = 0x82F6_3B78

    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in
            value & 1 == 1 ? value >> 1 ^ polynomial : value >> 1
        }
    }

    /// The checksum of `bytes`.
    package static func checksum(_ bytes: some Sequence<UInt8>) -> UInt32 {
        ~bytes.reduce(~0) { table[Int(UInt8(truncatingIfNeeded: $0) ^ $1)] ^ $0 >> 8 }
    }

    /// The checksum as TFRecord files have it (TensorFlow, `lib/hash/crc32c.h`): a CRC of data that hold CRCs
    /// of themselves would be weak, so it is rotated and moved.
    package static func masked(_ bytes: some Sequence<UInt8>) -> UInt32 {
        let value = checksum(bytes)
        return (value >> 15 | value << 17) &+ 0xA282_EAD8
    }
}
