internal import NibbleTensor

extension StudentSteps {
    /// Those of a training step, counted from 0, whose gradients have the given norm.
    init(_ recipe: Recipe, step index: Int, norm: Double) {
        let optimizer = recipe.optimizer
        let factor = recipe.schedule.factor(step: index, of: recipe.train.steps)
        // As PyTorch's clip_grad_norm_.
        let scale = optimizer.clipNorm.map { min(1, $0 / (Float(norm) + 1e-6)) } ?? 1
        var step = AdamWStep(
            rate: optimizer.learningRate * factor, beta1: optimizer.beta1, beta2: optimizer.beta2,
            epsilon: optimizer.epsilon, decay: optimizer.weightDecay, gradientScale: scale, step: index + 1)
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
    }
}
