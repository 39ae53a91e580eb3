internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleTensor

/// One batch through teacher and student, and the student's gradients.
struct DistillationPass: Sendable {
    /// The unquantized model.
    let teacher: LanguageModel
    /// The model that is trained.
    let student: LanguageModel
    /// How their probabilities are compared.
    var loss = DistillationLoss()
    /// Whether blocks are computed again on the way back rather than kept.
    var recomputes = false

    /// Adds the gradients of a batch to `gradients`.
    ///
    /// - Parameters:
    ///   - sequences: token sequences of equal length, of two tokens or more where the loss has a cross-entropy.
    ///   - cached: the teacher's probabilities of all their tokens, one sequence after the other: then the teacher is
    ///     not computed. Nil: it is.
    ///   - weight: the share of the batch in the step.
    /// - Precondition: with `cached`, the loss has neither reverse divergence nor hidden states.
    /// - Throws: `ModelError.nonFinite` where teacher or student give NaN or infinity.
    func run(
        _ sequences: [[Int32]], cached: TeacherProbabilities? = nil, weight: Float = 1,
        into gradients: Gradients
    ) throws(ModelError) -> DistillationLoss.Result {
        let compute = student.compute
        let length = sequences.first?.count ?? 0
        precondition(
            length > (loss.crossEntropy > 0 ? 1 : 0),
            "\(sequences.count) sequences of \(length) tokens, cross-entropy weighs \(loss.crossEntropy)")
        // With cross-entropy only positions that a token follows count.
        let positions = 0..<(loss.crossEntropy > 0 ? length - 1 : length)
        let targets = sequences.flatMap { sequence in
            positions.map { $0 + 1 < length ? sequence[$0 + 1] : sequence[$0] }
        }
        var hidden = HiddenStates(loss.hidden * weight, tokens: sequences.count * length)
        let target: DistillationTarget
        if let cached {
            precondition(loss.hidden == 0, "hidden states of a cached teacher")
            precondition(
                cached.count == sequences.count * length,
                "\(cached.count) cached tokens for \(sequences.count) sequences of \(length)")
            target = .cached(Self.part(cached, length: length, positions: positions))
        } else {
            let stream = try teacher.residual(
                sequences,
                inspect: loss.hidden > 0 ? { layer, stream in hidden.keep(stream, layer, compute) } : nil)
            target = .live(
                states: teacher.finalStates(stream, positions: positions), head: teacher.vocabularyMatrix)
        }
        let tape = Tape(compute)
        let epsilon = Float(student.configuration.normEpsilon)
        let stream = try student.residual(
            sequences, tape: tape, recomputes: recomputes,
            inspect: loss.hidden > 0
                ? { layer, stream in hidden.match(stream, layer, epsilon: epsilon, compute) } : nil)
        let states = student.finalStates(stream, positions: positions, tape: tape)
        guard
            let (distilled, gradient) = compute.distill(
                states, head: student.vocabularyMatrix, teacher: target, softcap: student.finalLogitSoftcap,
                targets: targets, loss: loss, weight: weight, gradients: gradients),
            hidden.distance.isFinite
        else {
            do throws(ModelError) {
                try teacher.findNonFinite(sequences)
            } catch {
                guard case .nonFinite(let layer, let count, let path) = error else { throw error }
                throw .teacherNonFinite(layer: layer, layerCount: count, path: path)
            }
            try student.findNonFinite(sequences)
            throw student.nonFiniteHead
        }
        var result = distilled
        result.hidden = hidden.distance
        result.loss += Double(loss.hidden) * hidden.distance
        tape.backpropagate([(states, gradient)] + hidden.seeds, into: gradients)
        return result
    }

    /// Some positions of every sequence.
    private static func part(
        _ cached: TeacherProbabilities, length: Int, positions: Range<Int>
    ) -> TeacherProbabilities {
        guard positions != 0..<length else { return cached }
        var part = TeacherProbabilities(top: cached.top)
        for start in stride(from: 0, to: cached.count, by: length) {
            part.append(cached[start + positions.lowerBound..<start + positions.upperBound])
        }
        return part
    }
}

/// The residual streams after each block: the teacher's first, which the student's then turn into gradients.
private struct HiddenStates {
    /// The student's streams and their gradients.
    private(set) var seeds: [(tensor: Tensor, gradient: Tensor)] = []
    /// Over all blocks the sum, over all tokens the mean.
    private(set) var distance = 0.0
    private var teacher: [Tensor] = []
    private let weight: Float
    private let tokens: Int

    init(_ weight: Float, tokens: Int) {
        self.weight = weight
        self.tokens = tokens
    }

    mutating func keep(_ stream: Tensor, _ layer: Int, _ compute: Compute) {
        // The teacher's blocks work in place. What comes before the first is the embedding.
        if layer >= 0 { teacher.append(compute.copy(stream)) }
    }

    mutating func match(_ stream: Tensor, _ layer: Int, epsilon: Float, _ compute: Compute) {
        guard layer >= 0 else { return }
        let gradient = teacher[layer]
        distance +=
            compute.matchHidden(stream, to: gradient, epsilon: epsilon, weight: weight / Float(tokens))
            / Double(tokens)
        seeds.append((stream, gradient))
    }
}
