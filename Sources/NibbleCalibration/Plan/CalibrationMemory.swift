internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleNumerics
internal import NibbleQuantization
internal import NibbleTensor

/// The bytes that the parts of a calibration take, known from shapes.
struct CalibrationMemory {
    private let options: CalibrationOptions
    /// Of each quantized model.
    private let matrices: [QuantizedMatrices]
    private let shape: ModelConfiguration
    private let length: Int
    private let holdsVocabulary: Bool
    private let surveys: Bool
    private let compute: Compute
    /// Tokens that pass through a block together.
    private let tokens: Int

    init(
        _ options: CalibrationOptions, _ matrices: [QuantizedMatrices], _ shape: ModelConfiguration,
        length: Int, holdsVocabulary: Bool, surveys: Bool, compute: Compute
    ) {
        self.options = options
        self.matrices = matrices
        self.shape = shape
        self.length = length
        self.holdsVocabulary = holdsVocabulary
        self.surveys = surveys
        self.compute = compute
        tokens = Calibrator.sequencesAtATime(length: length) * length
    }

    private var differentiates: Bool { options.differentiates }
    private func compares(_ form: CalibrationForm) -> Bool { options.comparesInputs && form.comparesInputs }

    /// The matrices that are rounded by Hessians, one of each kind.
    private var samples: [PlannedTensor] {
        guard options.method != .nearest else { return [] }
        var seen: Set<TensorRole.Kind> = []
        return matrices.flatMap(\.calibrated).filter { seen.insert($0.role.kind).inserted }
    }

    /// What these are for.
    var kinds: [TensorRole.Kind] { samples.map(\.role.kind) }

    /// Most that is held at a time, without residual streams.
    func peak(_ forms: [TensorRole.Kind: CalibrationForm]) -> Int {
        max(head, wayBack(forms), nearest, vocabularyRounding, survey(forms), rounding(forms))
    }

    /// The next form of the matrix whose own part is the largest; nil where all have their cheapest.
    func cheaper(
        _ forms: [TensorRole.Kind: CalibrationForm]
    ) -> (TensorRole.Kind, CalibrationForm)? {
        let candidates = samples.compactMap {
            tensor -> (kind: TensorRole.Kind, form: CalibrationForm, size: Int)? in
            let all = CalibrationForm.forms(rows: tensor.rows)
            let own = forms[tensor.role.kind] ?? CalibrationForm()
            guard let place = all.firstIndex(of: own), place + 1 < all.count else { return nil }
            return (tensor.role.kind, all[place + 1], rounding(tensor, own))
        }
        return candidates.max { $0.size < $1.size }.map { ($0.kind, $0.form) }
    }

    // MARK: - Memory

    /// The vocabulary's matrices as they are held for products.
    private var vocabulary: Int {
        guard holdsVocabulary else { return 0 }
        return matrices.map {
            $0.tensors.reduce(0) {
                $0 + ($1.role.isVocabulary ? $1.rows * $1.columns * (compute.hasBF16 ? 2 : 4) : 0)
            }
        }.max() ?? 0
    }

    /// The matrices of the largest block, encoded, of each quantized model.
    private var blocks: [Int] {
        matrices.map { matrices in
            Dictionary(grouping: matrices.tensors.filter { $0.role.layer != nil }, by: \.role.layer)
                .values.map { $0.reduce(0) { $0 + EncodedRowsFile.byteCount($1) } }.max() ?? 0
        }
    }

    /// What a process takes before it calibrates, and the products of all threads by themselves. Not what this one takes
    /// now: one that goes on with its work must decide as it did.
    static func process(_ compute: Compute) -> Int { (2 + compute.workers.count) << 26 }

    /// Logits, and their gradients.
    private var head: Int {
        guard differentiates else { return vocabulary + stream }
        return vocabulary + 4 * stream
            + compute.distillationScratch(
                tokens: tokens, vocabularySize: shape.vocabularySize, features: shape.embeddingLength,
                isCached: true)
    }

    /// Rounding the vocabulary's matrices.
    private var vocabularyRounding: Int {
        guard differentiates, matrices.contains(where: { !$0.vocabulary.isEmpty }) else { return 0 }
        return 8 * tokens * shape.embeddingLength
            + VocabularyRounding.byteCount(columns: shape.embeddingLength, compute: compute)
    }

    private var stream: Int { 4 * tokens * shape.embeddingLength }
    /// What a pass through a block keeps.
    private var kept: Int {
        4 * tokens * (Sublayer.keptFeatures(in: shape) + Sublayer.packedFeatures(in: shape))
    }

    /// A pass through a block that is rounded to nearest.
    private var nearest: Int { (blocks.max() ?? 0) + kept + stream }

    /// A pass through a block and back.
    func wayBack(_ forms: [TensorRole.Kind: CalibrationForm]) -> Int {
        guard differentiates else { return 0 }
        let outputs = samples.reduce(0) { $0 + OutputGradients.byteCount(bands($1, forms)) }
        // A matrix by columns, the scores of attention; of the widest inputs the gradients of what is activated, of gate and of
        // up, one of them weighed for its output Hessian, and two packed for products.
        let width = Sublayer.inputGroups.map { $0.width(in: shape) }.max() ?? 0
        let widest = matrices.flatMap(\.calibrated).map { $0.rows * $0.columns }.max() ?? 0
        let way =
            (compute.hasBF16 ? 2 : 4) * widest + 4 * length * length * compute.workers.count
            + 20 * tokens * width
        return outputs + kept + way + 3 * stream
    }

    /// Measuring what types cost: the Hessians of a block, one once more with its factor, some rows.
    private func survey(_ forms: [TensorRole.Kind: CalibrationForm]) -> Int {
        guard surveys, differentiates else { return 0 }
        let hessians = samples.reduce(0) { $0 + 4 * $1.columns * $1.columns }
        let pass =
            4 * length * (Sublayer.keptFeatures(in: shape) + Sublayer.packedFeatures(in: shape))
        let largest = samples.map { tensor in
            let outputs = OutputGradients.byteCount(bands(tensor, forms))
            return outputs + 8 * tensor.columns * tensor.columns + 32 * CostSurvey.rows * tensor.columns
                + 16 * MatrixRounding.mostRows * compute.workers.count * tensor.columns
        }
        return hessians + max(pass, largest.max() ?? 0)
    }

    private func bands(_ tensor: PlannedTensor, _ forms: [TensorRole.Kind: CalibrationForm]) -> [Range<Int>] {
        OutputGradients.bands((forms[tensor.role.kind] ?? CalibrationForm()).bands, rows: tensor.rows)
    }

    /// Rounding, without streams: the largest of the groups of matrices with one input.
    func rounding(_ forms: [TensorRole.Kind: CalibrationForm]) -> Int {
        var largest = 0
        for group in Sublayer.inputGroups {
            let width = group.width(in: shape)
            let square = 4 * width * width
            let own = samples.filter { group.kinds.contains($0.role.kind) }
            let comparing = own.count { compares(forms[$0.role.kind] ?? CalibrationForm()) }
            // Of each quantized model what is lost before it; a copy of a Hessian that others need.
            let count = matrices.count
            let sums =
                (count > 1 && !own.isEmpty ? square : 0)
                + (differentiates
                    ? (own.count + count * comparing) * square
                    : own.isEmpty ? 0 : (comparing > 0 ? 1 + count : 1) * square)
            // A sequence in a block of two models, and its inputs as they are multiplied with themselves.
            let pass =
                4 * length
                * (Sublayer.keptFeatures(in: shape) + Sublayer.packedFeatures(in: shape) + 4 * width)
            largest = max(largest, sums + pass)
            for tensor in own {
                let form = forms[tensor.role.kind] ?? CalibrationForm()
                largest = max(
                    largest, sums - (compares(form) && differentiates ? square : 0) + rounding(tensor, form))
            }
        }
        return max(largest + blocks.reduce(0, +), vocabulary)
    }

    /// What a matrix takes while it is rounded, besides the sums of its group.
    private func rounding(_ tensor: PlannedTensor, _ form: CalibrationForm) -> Int {
        let (size, square) = (4 * tensor.rows * tensor.columns, 4 * tensor.columns * tensor.columns)
        let lost = compares(form) ? size : 0
        let bands = OutputGradients.bands(form.bands, rows: tensor.rows)
        let largest = bands.map { 4 * $0.count * $0.count }.max() ?? 0
        let outputs =
            differentiates && options.yaqa && form.bands > 0
            ? OutputGradients.byteCount(bands) + largest + size / max(form.bands, 1) : 0
        let records = 4 * tensor.rows * (tensor.grid?.recordsPerRow ?? 0)
        let pieces = 16 * MatrixRounding.mostRows * compute.workers.count * tensor.columns
        // The products with what is lost, where that is still there; then the factor in its place.
        return size + records + max(lost + square, square + outputs + pieces)
    }

    /// Bytes a sequence of the streams that go along while matrices are rounded.
    var streams: Int {
        func bytes(_ features: Int) -> Int {
            StreamStore.byteCount(features: features, length: length, compute)
        }
        let inputs = Sublayer.allCases.reduce(0) { $0 + bytes($1.last.width(in: shape)) }
        return 2 * bytes(shape.embeddingLength)
            + matrices.count * (2 * bytes(shape.embeddingLength) + inputs)
    }

    // MARK: - Scratch

    /// Scratch files but those of these streams.
    func files(
        _ forms: [TensorRole.Kind: CalibrationForm], sequences: Int, heldOut: Int, observesAgain: Bool
    ) -> Int {
        let rows = matrices.flatMap { $0.calibrated + $0.vocabulary }.reduce(0) {
            $0 + EncodedRowsFile.byteCount($1)
        }
        let stream = StreamStore.byteCount(features: shape.embeddingLength, length: length, compute)
        let levels = shape.layerCount + 1
        guard differentiates else { return rows + heldOut * stream }
        let outputs = Dictionary(grouping: matrices.calibratedOnce, by: \.role.layer).values.map {
            $0.reduce(0) {
                $0 + OutputGradientsFile.byteCount(bands($1, forms), tokens: sequences * length)
            }
        }
        let states =
            matrices.allSatisfy(\.vocabulary.isEmpty) ? 0 : 4 * shape.embeddingLength * shape.embeddingLength
        return rows + states + (observesAgain ? outputs.max() ?? 0 : outputs.reduce(0, +))
            + heldOut * stream + sequences * stream * (levels + (observesAgain ? levels : 2))
    }
}
