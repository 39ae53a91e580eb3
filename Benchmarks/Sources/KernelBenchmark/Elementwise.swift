import Nibble

/// An operation that reads and writes every activation, of 640 features.
struct Elementwise {
    let name: String
    let measurement: Measurement

    /// Bytes of a tensor, read or written once.
    private static let features = 640
    private static var bytes: Double { Double(4 * features * KernelBenchmark.tokens) }

    static func all(threads: Int) -> [Elementwise] {
        let compute = Compute(threads: threads)
        let x = Samples.tensor(features: features, compute)
        let y = Samples.tensor(features: features, compute)
        y.fill(0)
        let weight = Vector([Float](repeating: 1, count: features))
        let zeros = Vector([Float](repeating: 0, count: features))
        let angles = compute.rotaryAngles(
            layout: x.layout, frequencies: RotaryAngles.frequencies(base: 10000, head: 64),
            isInterleaved: false)
        let heads = Vector([Float](repeating: 1, count: 64))
        return [
            Elementwise(
                name: "norm (read twice, write)",
                measurement: Measurement(amount: 3 * bytes) {
                    _ = compute.normalize(x, weight: weight, epsilon: 1e-6)
                }),
            Elementwise(
                name: "sum of two tensors (read both, write)",
                measurement: Measurement(amount: 3 * bytes) { compute.add(y, to: x) }),
            Elementwise(
                name: "bias (read, write)",
                measurement: Measurement(amount: 2 * bytes) { compute.add(zeros, to: x) }),
            Elementwise(
                name: "rotation of heads (read, write)",
                measurement: Measurement(amount: 2 * bytes) {
                    _ = compute.prepareHeads(x, head: 64, norm: nil, epsilon: 1e-6, rotary: angles)
                }),
            Elementwise(
                name: "norm and rotation of heads (read three times, write twice)",
                measurement: Measurement(amount: 5 * bytes) {
                    _ = compute.prepareHeads(x, head: 64, norm: heads, epsilon: 1e-6, rotary: angles)
                }),
        ]
    }
}
