import NibbleNumerics
import NibbleTensor
import Testing

@Suite("Tensors that do not fit together")
struct TensorPreconditionTests {
    /// Two rows of four F32 zeros, with room for a third.
    private static func matrix(columns: Int = 4) throws -> Matrix {
        let bytes = GuardedBytes([UInt8](repeating: 0, count: 12 * columns))
        return try #require(
            Matrix(rows: 2, columns: columns, type: .f32, bytes: bytes.bytes, owner: bytes))
    }

    @Test("a product with another number of columns")
    func columns() async {
        await #expect(processExitsWith: .failure) {
            let compute = Compute(threads: 1, precision: .f32)
            let x = compute.tensor([[[1, 2, 3]]])
            let matrix = try Self.matrix()
            _ = compute.linear(compute.operand(x, for: matrix), matrix)
        }
    }

    @Test("fewer bytes than rows")
    func bytes() async {
        await #expect(processExitsWith: .failure) {
            let bytes = GuardedBytes([UInt8](repeating: 0, count: 31))
            _ = Matrix(rows: 2, columns: 4, type: .f32, bytes: bytes.bytes, owner: bytes)
        }
    }

    @Test("a token that the table lacks", arguments: [2, -1] as [Int32])
    func token(token: Int32) async {
        await #expect(processExitsWith: .failure) { [token] in
            let compute = Compute(threads: 1, precision: .f32)
            let layout = compute.layout(sequences: 1, length: 1)
            _ = compute.embed([[token]], try Self.matrix(), scale: 1, layout: layout)
        }
    }

    @Test("a target that the vocabulary lacks", arguments: [2, -1] as [Int32])
    func target(target: Int32) async {
        await #expect(processExitsWith: .failure) { [target] in
            let compute = Compute(threads: 1, precision: .f32)
            let head = VocabularyHead(
                compute.tensor([[[1, 2, 3, 4]]], padding: 0), weight: try Self.matrix(), softcap: nil,
                compute: compute)
            _ = VocabularySums([head], targets: [target], compute: compute)
        }
    }

    @Test("more positions than the cache has")
    func cache() async {
        await #expect(processExitsWith: .failure) {
            let compute = Compute(threads: 1, precision: .f32)
            let x = compute.tensor([[[1, 2]]])
            let cache = compute.keyValueCache(sequences: 1, positions: 32, heads: 1, head: 2)
            _ = compute.attention(query: x, key: x, value: x, cache: cache, start: 32, window: nil)
        }
    }

    @Test("a window without keys")
    func window() async {
        await #expect(processExitsWith: .failure) {
            let compute = Compute(threads: 1, precision: .f32)
            let x = compute.tensor([[[1, 2]]])
            let cache = compute.keyValueCache(sequences: 1, positions: 32, heads: 1, head: 2)
            _ = compute.attention(query: x, key: x, value: x, cache: cache, window: 0)
        }
    }

    @Test("keys of another width than the cache's")
    func keys() async {
        await #expect(processExitsWith: .failure) {
            let compute = Compute(threads: 1, precision: .f32)
            let (x, wide) = (compute.tensor([[[1, 2]]]), compute.tensor([[[1, 2, 3, 4]]]))
            let cache = compute.keyValueCache(sequences: 1, positions: 32, heads: 2, head: 2)
            _ = compute.attention(query: wide, key: x, value: x, cache: cache, window: nil)
        }
    }

    @Test("no threads")
    func threads() async {
        await #expect(processExitsWith: .failure) { print(Workers(count: 0)) }
    }

    @Test("the same calls with fitting arguments succeed")
    func control() async {
        await #expect(processExitsWith: .success) {
            let compute = Compute(threads: 1, precision: .f32)
            let x = compute.tensor([[[1, 2, 3, 4]]], padding: 0)
            let matrix = try Self.matrix()
            _ = compute.linear(compute.operand(x, for: matrix), matrix)
            _ = compute.embed([[1]], matrix, scale: 1, layout: compute.layout(sequences: 1, length: 1))
            let head = VocabularyHead(x, weight: matrix, softcap: nil, compute: compute)
            _ = VocabularySums([head], targets: [1], compute: compute)
            let cache = compute.keyValueCache(sequences: 1, positions: 32, heads: 1, head: 4)
            _ = compute.attention(query: x, key: x, value: x, cache: cache, window: 1)
        }
    }
}
