import NibbleCheckpoint
import NibbleModel
import NibbleTensor
import NibbleTestSupport

@testable import NibbleTraining

/// The student of a gradient fixture with a parameter for each of its tensors, whose values may be changed.
final class DifferentiatedModel {
    let teacher: LanguageModel
    let model: LanguageModel
    let compute: Compute
    /// By the hub's names, in their order; values in the model's convention.
    let weights: [(name: String, weight: ParameterValues)]

    init(_ fixture: GradientFixtures.Model, compute: Compute) throws {
        self.compute = compute
        let checkpoint = try ModelCheckpoint(path: fixture.folderPath)
        let configuration = checkpoint.configuration
        var replacements = WeightReplacements()
        var weights: [(name: String, weight: ParameterValues)] = []
        for tensor in checkpoint.tensors.sorted(by: { $0.entry.name < $1.entry.name }) {
            let (role, entry) = (tensor.role, tensor.entry)
            var values = try entry.floats()
            if GradientFixtures.Model.isPerturbed(entry.name) {
                values = GradientFixtures.Model.perturbed(values, columns: entry.columns)
            }
            // One is added to norms where the hub leaves that to the model; gradients are the same.
            let offset = NamingScheme.hub.convention(of: role, in: configuration).offset
            values = values.map { $0 + offset }
            let weight = ParameterValues(name: entry.name, columns: entry.columns, values: values)
            weights.append((entry.name, weight))
            if entry.shape.count == 2 {
                replacements.matrices[role] = weight.matrix()
            } else {
                replacements.vectors[role] = weight.vector
            }
        }
        self.weights = weights
        teacher = try LanguageModel(checkpoint, compute: compute)
        model = try LanguageModel(checkpoint, compute: compute, replacements: replacements)
    }

    /// Loss and gradients of a batch, by name; those that nothing reached are left out.
    func run(
        _ sequences: [[Int32]], _ loss: DistillationLoss, recomputes: Bool = false
    ) throws -> (result: DistillationLoss.Result, gradients: [String: [Float]]) {
        let gradients = Gradients(compute: compute)
        let pass = DistillationPass(teacher: teacher, student: model, loss: loss, recomputes: recomputes)
        let result = try pass.run(sequences, into: gradients)
        var byName: [String: [Float]] = [:]
        for (name, weight) in weights { byName[name] = gradients[weight.parameter].map { Array($0) } }
        return (result, byName)
    }
}

extension DistillationLoss {
    /// That of a fixture's case.
    init(_ testCase: GradientFixtures.Case) {
        self.init()
        temperature = Float(testCase.temperature)
        crossEntropy = Float(testCase.crossEntropy)
        reverseKL = Float(testCase.reverse / (testCase.forward + testCase.reverse))
    }
}
