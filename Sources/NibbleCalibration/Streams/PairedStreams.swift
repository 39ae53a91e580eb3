internal import NibbleModel
internal import NibbleTensor

/// Sequences on their way through an unquantized model and, where inputs are compared, through the quantized one, whose
/// matrices are rounded just ahead of them.
struct PairedStreams {
    /// The unquantized model.
    let reference: LanguageModel
    /// The quantized one; its matrices change between two sublayers.
    let quantized: LanguageModel
    /// The residual stream of each sequence in the unquantized model.
    private(set) var exact: [Tensor] = []
    /// The same in the quantized one; nil where it does not matter.
    private(set) var rounded: [Tensor]?

    /// Before the first block.
    ///
    /// - Throws: `ModelError` where a token is beyond the vocabulary.
    init(
        reference: LanguageModel, quantized: LanguageModel, sequences: [[Int32]], compares: Bool
    ) throws(ModelError) {
        self.reference = reference
        self.quantized = quantized
        for sequence in sequences { exact.append(try reference.embed(sequence)) }
        guard compares else { return }
        var rounded: [Tensor] = []
        for sequence in sequences { rounded.append(try quantized.embed(sequence)) }
        self.rounded = rounded
    }

    /// Passes a sequence through a sublayer of the unquantized model.
    ///
    /// - Parameter input: that of the sublayer's last matrix.
    mutating func lead(_ index: Int, with input: Tensor, through sublayer: Sublayer, of layer: Int) {
        exact[index] = reference.add(input, through: sublayer, of: layer, to: exact[index])
    }

    /// Passes all sequences through the same sublayer of the quantized model, which is rounded by then.
    mutating func follow(through sublayer: Sublayer, of layer: Int) {
        rounded = rounded?.map { quantized.advance($0, through: sublayer, of: layer) }
    }
}
