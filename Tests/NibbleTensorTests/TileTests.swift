import CKernels
import NibbleNumerics
import NibbleTensor
import NibbleTestSupport
import Testing

@Suite("BF16 products in tiles", .enabled(if: nibble_has_bf16_tiles() != 0, "this machine has no AMX"))
struct TileTests {
    /// Both round alike and sum in Float, in another order.
    private static let bound: Float = 1e-5

    @Test(
        "give a matrix and its gradients what products in lanes give",
        arguments: [(5, 7), (48, 32), (96, 640), (200, 130)], [1, 30, 100])
    func linear(shape: (rows: Int, columns: Int), tokens: Int) throws {
        var random = SeededGenerator(seed: UInt64(shape.rows + tokens))
        let values = random.normal(shape.rows * shape.columns, scale: 0.1)
        let (x, dy) = (
            (0..<tokens).map { _ in random.normal(shape.columns) },
            (0..<tokens).map { _ in random.normal(shape.rows) }
        )
        var results: [[[Float]]] = []
        for usesTiles in [true, false] {
            let compute = Compute(threads: 2, precision: .bf16, usesTiles: usesTiles)
            #expect(compute.hasTiles == usesTiles)
            let weight = ParameterValues(name: "w", columns: shape.columns, values: values)
            let tape = Tape(compute)
            let input = compute.tensor([x], padding: 0)
            let y = compute.linear(
                compute.operand(input, for: weight.matrix()), weight.matrix(), tape: tape)
            let gradients = Gradients(compute: compute)
            let dx = tape.backpropagate(
                [(tensor: y, gradient: compute.tensor([dy], padding: 0))], to: [input], into: gradients)
            results.append([
                y.batch[0].flatMap { $0 }, try #require(dx[0]).batch[0].flatMap { $0 },
                Array(try #require(gradients[weight.parameter])),
            ])
        }
        for (tiles, lanes) in zip(results[0], results[1]) {
            let largest = lanes.reduce(Float(0)) { max($0, abs($1)) }
            let worst = zip(tiles, lanes).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
            #expect(tiles.count == lanes.count && largest > 0)
            #expect(tiles.allSatisfy { $0.isFinite } && worst <= Self.bound * largest, "\(worst / largest)")
        }
    }
}
