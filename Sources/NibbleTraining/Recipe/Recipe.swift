public import NibbleCalibration
public import NibbleTensor

/// What a run of quantization-aware training is made of, apart from checkpoint and text.
///
/// A recipe is read from YAML, changed field by field from the command line, and written into what the run makes,
/// so that the run can be repeated:
///
/// ```swift
/// var recipe = try Recipe(path: "Recipes/gemma-3-270m.yaml")
/// try recipe.set("optimizer.learning_rate", to: "2e-5")
/// try recipe.validated(path: "Recipes/gemma-3-270m.yaml")
/// print(recipe.yaml, recipe.digest)
/// ```
///
/// Names in YAML are the names here in snake case. ``reference`` lists all fields with their defaults and ranges;
/// a recipe read from YAML is always within them, one made in code after ``validated(path:)``.
public struct Recipe: Sendable {
    /// What the weights become, and how training sees it.
    public var quantization = Quantization()
    /// What is trained, on how much text.
    public var train = Training()
    /// How gradients become changes of weights.
    public var optimizer = Optimizer()
    /// How the learning rates change from step to step.
    public var schedule = Schedule()
    /// What is minimized.
    public var loss = DistillationLoss()
    /// Where the probabilities of the unquantized model come from.
    public var teacher = Teacher()
    /// How the weights and scales are chosen that training begins with.
    public var calibration = CalibrationOptions()
    /// How progress is measured on text that is not trained on.
    public var evaluation = Evaluation()
    /// When the state of a run is saved.
    public var checkpoints = Checkpoints()

    /// What was read by a name that is no longer its own: `start.weights of the recipe is now called ...`.
    public internal(set) var notes: [String] = []

    /// A recipe of defaults.
    public init() {}
}

extension Recipe: Equatable {
    /// Whether all fields are equal.
    public static func == (left: Recipe, right: Recipe) -> Bool { left.yaml == right.yaml }
}
