import NibbleNumerics
import Testing

@Suite("Arguments that do not fit together")
struct CodecPreconditionTests {
    @Test("columns that are not whole blocks")
    func columns() async {
        await #expect(processExitsWith: .failure) {
            _ = Q4_0().byteCount(columns: 33) ?? 0
            var bytes = [UInt8](repeating: 0, count: 18)
            var span = bytes.mutableSpan
            var raw = span.mutableBytes
            let x = [Float](repeating: 1, count: 33)
            try Q4_0().encode(x.span, columns: 33, into: &raw)
        }
    }

    @Test("a buffer of the wrong size")
    func byteCount() async {
        await #expect(processExitsWith: .failure) {
            var bytes = [UInt8](repeating: 0, count: 17)
            var span = bytes.mutableSpan
            var raw = span.mutableBytes
            let x = [Float](repeating: 1, count: 32)
            try Q4_0().encode(x.span, columns: 32, into: &raw)
        }
    }

    @Test("values that are not whole rows")
    func partialRow() async {
        await #expect(processExitsWith: .failure) {
            let bytes = [UInt8](repeating: 0, count: 54)
            var x = [Float](repeating: 1, count: 96)
            var span = x.mutableSpan
            Q4_0().decode(bytes.span.bytes, columns: 64, into: &span)
        }
    }

    @Test("importance of another length")
    func importance() async {
        await #expect(processExitsWith: .failure) {
            var bytes = [UInt8](repeating: 0, count: 18)
            var span = bytes.mutableSpan
            var raw = span.mutableBytes
            let x = [Float](repeating: 1, count: 32)
            let importance = [Float](repeating: 1, count: 31)
            try Q4_0().encode(x.span, columns: 32, importance: importance.span, into: &raw)
        }
    }

    @Test("negative importance")
    func negativeImportance() async {
        await #expect(processExitsWith: .failure) {
            var bytes = [UInt8](repeating: 0, count: 18)
            var span = bytes.mutableSpan
            var raw = span.mutableBytes
            let x = [Float](repeating: 1, count: 32)
            let importance = [Float](repeating: -1, count: 32)
            try Q4_0().encode(x.span, columns: 32, importance: importance.span, into: &raw)
        }
    }

    @Test("encoding a type that is only read")
    func decodeOnly() async {
        await #expect(processExitsWith: .failure) {
            var bytes = [UInt8](repeating: 0, count: 110)
            var span = bytes.mutableSpan
            var raw = span.mutableBytes
            let x = [Float](repeating: 1, count: 256)
            try IQ3_S().encode(x.span, columns: 256, into: &raw)
        }
    }

    @Test("a group without elements")
    func group() async {
        await #expect(processExitsWith: .failure) {
            print(Int4(group: 0).name)
        }
    }

    @Test("the same calls with fitting arguments succeed")
    func control() async {
        await #expect(processExitsWith: .success) {
            var bytes = [UInt8](repeating: 0, count: 18)
            var span = bytes.mutableSpan
            var raw = span.mutableBytes
            let x = [Float](repeating: 1, count: 32)
            try Q4_0().encode(x.span, columns: 32, into: &raw)
            try Q4_0().encode(x.span, columns: 32, importance: x.span, into: &raw)
            print(Int4(group: 1).name)
        }
    }
}
