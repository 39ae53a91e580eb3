internal import NibbleTensor

extension StudentSteps {
    /// Those of a training step, counted from 0, whose gradients have the given norm; nil: they are not clipped.
    init(_ recipe: Recipe, step index: Int, norm: Double?) {
        let optimizer = recipe.optimizer
        let factor = recipe.schedule.factor(step: index, of: recipe.train.steps)
        var step = AdamWStep(
            rate: optimizer.learningRate * factor, beta1: optimizer.beta1, beta2: optimizer.beta2,
            epsilon: optimizer.epsilon, decay: optimizer.weightDecay, step: index + 1)
        self.init(step)
        isRelative = optimizer.relativeRates
        step.decay = 0
        step.rate = optimizer.normLearningRate * factor
        vectors = step
        step.rate = optimizer.codeLearningRate * factor
        codes = step
        step.rate = optimizer.scaleLearningRate * factor
        // Scales begin with fake quantization.
        if index >= recipe.quantization.startStep { step.step -= recipe.quantization.startStep }
        scales = step
        if let norm, let bound = optimizer.clipNorm { self = clipped(norm: norm, to: bound) }
    }

    /// The same for gradients that are scaled down to a norm, as by PyTorch's `clip_grad_norm_`.
    func clipped(norm: Double, to bound: Float) -> StudentSteps {
        var result = self
        let scale = min(1, bound / (Float(norm) + 1e-6))
        result.matrices.gradientScale = scale
        result.codes.gradientScale = scale
        result.scales.gradientScale = scale
        result.vectors.gradientScale = scale
        return result
    }
}
