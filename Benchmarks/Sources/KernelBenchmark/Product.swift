import CPeer
import Nibble

/// One kind of product.
struct Product {
    let name: String
    let precision: Precision
    let type: GGMLType
    let kind: Peak.Kind
    /// Whether OpenBLAS computes it.
    var isOpenBLAS = false

    static let all = [
        Product(name: "f32, OpenBLAS", precision: .f32, type: .f32, kind: .f32, isOpenBLAS: true),
        Product(name: "f32", precision: .f32, type: .f32, kind: .f32),
        Product(name: "bf16", precision: .bf16, type: .bf16, kind: .bf16),
        Product(name: "int8, Q4_0", precision: .automatic, type: .q4_0, kind: .int8),
        Product(name: "int8, Q8_0", precision: .automatic, type: .q8_0, kind: .int8),
    ]
}

/// The shape of a matrix.
struct Shape {
    let name: String
    let rows: Int
    let columns: Int

    /// Those of Gemma 3 270M and SmolLM2 135M; of the vocabularies 8,192 rows.
    static let all = [
        Shape(name: "Gemma q, 640 to 1024", rows: 1024, columns: 640),
        Shape(name: "Gemma k or v, 640 to 256", rows: 256, columns: 640),
        Shape(name: "Gemma o, 1024 to 640", rows: 640, columns: 1024),
        Shape(name: "Gemma gate or up, 640 to 2048", rows: 2048, columns: 640),
        Shape(name: "Gemma down, 2048 to 640", rows: 640, columns: 2048),
        Shape(name: "Gemma vocabulary, 640 to 8192", rows: 8192, columns: 640),
        Shape(name: "Gemma 4B gate or up, 2560 to 10240", rows: 10240, columns: 2560),
        Shape(name: "Gemma 4B down, 10240 to 2560", rows: 2560, columns: 10240),
        Shape(name: "SmolLM2 q or o, 576 to 576", rows: 576, columns: 576),
        Shape(name: "SmolLM2 k or v, 576 to 192", rows: 192, columns: 576),
        Shape(name: "SmolLM2 gate or up, 576 to 1536", rows: 1536, columns: 576),
        Shape(name: "SmolLM2 down, 1536 to 576", rows: 576, columns: 1536),
        Shape(name: "SmolLM2 vocabulary, 576 to 8192", rows: 8192, columns: 576),
    ]
}

extension Measurement {
    /// Decoding and unpacking of weights counts; rounding of activations, done once for several matrices, does not.
    static func product(_ product: Product, _ shape: Shape, threads: Int) -> Measurement {
        guard product.precision.isSupported, Peak.operations(product.kind, threads: 1) > 0 else {
            return Measurement(amount: 0) {}
        }
        if product.isOpenBLAS { return openBLAS(shape, threads: threads) }
        let compute = Compute(threads: threads, precision: product.precision)
        let matrix = Samples.matrix(product.type, rows: shape.rows, columns: shape.columns)
        let x = compute.operand(Samples.tensor(features: shape.columns, compute), for: matrix)
        let operations = 2.0 * Double(shape.rows * shape.columns * KernelBenchmark.tokens)
        return Measurement(amount: operations) { _ = compute.linear(x, matrix) }
    }

    private static func openBLAS(_ shape: Shape, threads: Int) -> Measurement {
        let tokens = KernelBenchmark.tokens
        let weights = Samples.values(shape.rows * shape.columns)
        let x = Samples.values(shape.columns * tokens)
        var y = [Float](repeating: 0, count: shape.rows * tokens)
        return Measurement(amount: 2 * Double(shape.rows * shape.columns * tokens)) {
            openblas_product(
                weights, x, &y, Int32(shape.rows), Int32(shape.columns), Int32(tokens), Int32(threads))
        }
    }
}
