import CKernels
import NibbleNumerics
import NibbleTensor
import NibbleTestSupport

extension Precision {
    /// The precisions of this machine.
    static let supported = allCases.filter(\.isSupported)
    /// Whether this machine multiplies bytes.
    static let hasInt8 = nibble_has_int8_dot() != 0
    /// Why tests of BF16 products are left out.
    static let bf16Reason = "this machine has no AVX-512 BF16"
    /// Why tests of int8 products are left out.
    static let int8Reason = "this machine has no AVX-512 VNNI"
}

/// Random activations of a batch: `[sequence][position][feature]`.
func randomBatch(sequences: Int, length: Int, features: Int, seed: UInt64) -> [[[Float]]] {
    var random = SeededGenerator(seed: seed)
    return (0..<sequences).map { _ in (0..<length).map { _ in random.normal(features) } }
}

extension Compute {
    /// A tensor of `batch`, `[sequence][position][feature]`, with NaN for padding: nothing may depend on it.
    func tensor(_ batch: [[[Float]]], padding: Float = .nan) -> Tensor {
        let x = tensor(
            features: batch[0][0].count, layout: layout(sequences: batch.count, length: batch[0].count))
        x.fill(padding)
        for (sequence, tokens) in batch.enumerated() {
            for (position, values) in tokens.enumerated() {
                x.setColumn(sequence: sequence, position: position, to: values.span)
            }
        }
        return x
    }
}

extension Tensor {
    /// `[sequence][position][feature]`
    var batch: [[[Float]]] {
        (0..<layout.sequences).map { sequence in
            (0..<layout.length).map { column(sequence: sequence, position: $0) }
        }
    }
}

/// Bits of all values, to compare results that must be the same.
func bits(_ batch: [[[Float]]]) -> [[[UInt32]]] { batch.map { $0.map { $0.map(\.bitPattern) } } }
