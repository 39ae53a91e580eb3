import NibbleNumerics
import NibbleTensor
import NibbleTestSupport
import Testing

@Suite("Linear layers")
struct LinearTests {
    /// 96, or whole blocks.
    private static func columns(_ type: GGMLType) -> Int {
        (95 + type.blockSize) / type.blockSize * type.blockSize
    }

    /// y = W x by the activations and weights that the product of the precision sees.
    private static func compare(
        _ y: Tensor, _ weights: Weights, _ batch: [[[Float]]], kernel: ProductKernel,
        _ comparison: inout Comparison
    ) {
        for (sequence, tokens) in batch.enumerated() {
            for (position, token) in tokens.enumerated() {
                let column = y.column(sequence: sequence, position: position)
                let x = kernel == .bf16 ? token.map(Reference.bf16) : token
                let scales = kernel == .int8 ? Reference.int8(token).scales : []
                for row in 0..<weights.rows {
                    let w = kernel == .bf16 ? weights[row].map(Reference.bf16) : Array(weights[row])
                    let (sum, magnitude) = Reference.dot(w, x)
                    var bound = Bound.sum(terms: weights.columns, magnitude: magnitude)
                    if kernel == .int8 {
                        // The int8 tests bound the sum itself; here the codes of weights with minima may be
                        // larger than the weights, by 4 at most for these (code · scale against minimum).
                        bound *= 4
                        for (k, value) in w.enumerated() {
                            bound += Bound.int8Step * abs(Double(value)) * Double(scales[k / 32])
                        }
                    }
                    comparison.add(
                        column[row], sum, bound: bound,
                        "\(weights.type), \(kernel), row \(row), sequence \(sequence), token \(position)")
                }
            }
        }
    }

    @Test("agree with Double for every stored type", arguments: GGMLType.readable, Precision.supported)
    func types(type: GGMLType, precision: Precision) throws {
        let compute = Compute(threads: 2, precision: precision)
        var comparison = Comparison()
        for (rows, length, slack) in [(1, 1, 0), (50, 17, 0), (131, 33, 1)] {
            let columns = Self.columns(type)
            let weights = try Weights(type, rows: rows, columns: columns, seed: UInt64(rows), slack: slack)
            let batch = randomBatch(sequences: 2, length: length, features: columns, seed: 4)
            compute.poison()
            let y = compute.linear(
                compute.operand(compute.tensor(batch), for: weights.matrix), weights.matrix)
            Self.compare(
                y, weights, batch, kernel: compute.kernel(for: type, columns: columns), &comparison)
        }
        comparison.check()
    }

    @Test("read nothing past odd rows, at odd addresses", arguments: [GGMLType.f32, .f16, .bf16])
    func oddColumns(type: GGMLType) throws {
        var comparison = Comparison()
        for precision in Precision.supported {
            let compute = Compute(threads: 1, precision: precision)
            for columns in [1, 2, 3, 15, 17, 31, 33, 63, 65, 95] {
                for slack in 0...3 {
                    let weights = try Weights(type, rows: 49, columns: columns, seed: 8, slack: slack)
                    let batch = randomBatch(sequences: 1, length: 18, features: columns, seed: 9)
                    compute.poison()
                    let y = compute.linear(
                        compute.operand(compute.tensor(batch), for: weights.matrix), weights.matrix)
                    Self.compare(
                        y, weights, batch, kernel: compute.kernel(for: type, columns: columns), &comparison)
                }
            }
        }
        comparison.check()
    }

    @Test(
        "in F32 are right for rows longer than the terms that are multiplied at a time",
        arguments: KernelLevel.available)
    func longRows(level: KernelLevel) throws {
        var comparison = Comparison()
        let compute = Compute(threads: 2, precision: .f32, level: level)
        for columns in [255, 256, 257, 300, 512, 640, 1025] {
            for length in [7, 40] {
                let weights = try Weights(.f32, rows: 101, columns: columns, seed: 8, slack: 1)
                let batch = randomBatch(sequences: 2, length: length, features: columns, seed: 9)
                compute.poison()
                let x = compute.operand(compute.tensor(batch), for: weights.matrix)
                Self.compare(compute.linear(x, weights.matrix), weights, batch, kernel: .f32, &comparison)
            }
        }
        comparison.check()
    }

    @Test("in BF16 are near F32", .enabled(if: Precision.bf16.isSupported, "\(Precision.bf16Reason)"))
    func rounding() throws {
        let compute = Compute(threads: 1, precision: .bf16)
        let weights = try Weights(.f32, rows: 200, columns: 640, seed: 12)
        let batch = randomBatch(sequences: 1, length: 40, features: 640, seed: 13)
        let y = compute.linear(compute.operand(compute.tensor(batch), for: weights.matrix), weights.matrix)
        var (error, norm) = (0.0, 0.0)
        for (position, token) in batch[0].enumerated() {
            for (row, value) in y.column(sequence: 0, position: position).enumerated() {
                let sum = Reference.dot(weights[row], token).sum
                error += (Double(value) - sum) * (Double(value) - sum)
                norm += sum * sum
            }
        }
        #expect(error.squareRoot() <= Bound.bf16Product * norm.squareRoot())
        // Half a rounding at least: F32 products would not be noticed otherwise.
        #expect(error.squareRoot() >= Bound.bf16Product / 16 * norm.squareRoot())
    }

    @Test("give the same bits for every number of threads", arguments: Precision.supported)
    func threads(precision: Precision) throws {
        for type in [GGMLType.f32, .bf16, .q4_0, .q5_1, .q8_0, .q4_k, .q6_k] {
            let weights = try Weights(type, rows: 300, columns: 256, seed: 1)
            let other = try Weights(.q8_0, rows: 300, columns: 256, seed: 2)
            let batch = randomBatch(sequences: 3, length: 35, features: 256, seed: 3)
            let results = [1, 2, 3].map { threads in
                let compute = Compute(threads: threads, precision: precision)
                let x = compute.operand(compute.tensor(batch), for: weights.matrix, other.matrix)
                let y = compute.linear(x, weights.matrix)
                let gated = compute.gated(x, gate: weights.matrix, up: other.matrix, activation: .silu)
                return [bits(y.batch), bits(gated.batch)]
            }
            #expect(results[0] == results[1] && results[0] == results[2], "\(type)")
        }
    }

    /// What a panel holds besides a token, and how wide it is, does not matter: lanes do not meet.
    @Test("of a token do not depend on other sequences", arguments: Precision.supported)
    func batch(precision: Precision) throws {
        for type in [GGMLType.f32, .q4_0, .q6_k] {
            let compute = Compute(threads: 2, precision: precision)
            let weights = try Weights(type, rows: 200, columns: 256, seed: 1)
            let batch = randomBatch(sequences: 3, length: 35, features: 256, seed: 3)
            func product(_ batch: [[[Float]]]) -> [[[UInt32]]] {
                let x = compute.operand(compute.tensor(batch), for: weights.matrix)
                return bits(compute.linear(x, weights.matrix).batch)
            }
            let all = product(batch)
            for sequence in 0..<3 { #expect(product([batch[sequence]])[0] == all[sequence]) }
            #expect(product([batch[2], batch[0]]) == [all[2], all[0]])
            for length in [1, 16, 20] {
                #expect(product([Array(batch[1][..<length])])[0] == Array(all[1][..<length]))
            }
            #expect(product([batch[0].reversed()])[0] == all[0].reversed())
        }
    }

    @Test("add their bias")
    func bias() throws {
        let compute = Compute(threads: 2, precision: .f32)
        let weights = try Weights(.f32, rows: 70, columns: 40, seed: 1)
        let batch = randomBatch(sequences: 2, length: 5, features: 40, seed: 2)
        var random = SeededGenerator(seed: 3)
        let bias = random.normal(70)
        let x = compute.operand(compute.tensor(batch), for: weights.matrix)
        let plain = compute.linear(x, weights.matrix).batch
        let biased = compute.linear(x, weights.matrix, bias: Vector(bias)).batch
        #expect(biased == plain.map { $0.map { zip($0, bias).map { $0 + $1 } } })
    }

    @Test("of a gated layer agree with their parts", arguments: Precision.supported)
    func gated(precision: Precision) throws {
        let compute = Compute(threads: 2, precision: precision)
        let pairs: [(GGMLType, GGMLType)] = [(.f32, .f32), (.q4_0, .q6_k), (.bf16, .q8_0), (.q4_k, .q4_k)]
        for (gateType, upType) in pairs {
            let gate = try Weights(gateType, rows: 131, columns: 256, seed: 1)
            let up = try Weights(upType, rows: 131, columns: 256, seed: 2)
            let batch = randomBatch(sequences: 2, length: 33, features: 256, seed: 3)
            let x = compute.operand(compute.tensor(batch), for: gate.matrix, up.matrix)
            for activation in [Activation.silu, .geluTanh] {
                let y = compute.gated(x, gate: gate.matrix, up: up.matrix, activation: activation)
                // The same products, one after the other.
                let (left, right) = (compute.linear(x, gate.matrix), compute.linear(x, up.matrix))
                var comparison = Comparison()
                for sequence in 0..<2 {
                    for position in 0..<33 {
                        let found = y.column(sequence: sequence, position: position)
                        let g = left.column(sequence: sequence, position: position)
                        let u = right.column(sequence: sequence, position: position)
                        for row in 0..<131 {
                            let (value, bound) = Reference.gate(g[row], u[row], activation)
                            comparison.add(found[row], value, bound: bound)
                        }
                    }
                }
                comparison.check()
            }
        }
    }
}
