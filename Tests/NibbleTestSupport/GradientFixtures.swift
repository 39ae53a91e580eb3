internal import Foundation

/// What PyTorch computes in float64 for distillation losses of the small models:
/// `Tests/Fixtures/gradients/gradients.json`.
///
/// The teacher is the checkpoint; the student is made from it by ``Model/perturbed(_:columns:)``.
package struct GradientFixtures: Decodable, Sendable {
    package var models: [Model]

    /// A teacher with the losses of its student.
    package struct Model: Decodable, Sendable, CustomStringConvertible {
        package var name: String
        /// The hub folder: `hub-logits/gemma3-window`.
        package var folder: String
        package var vocabularySize: Int
        /// Two sequences of 64 tokens, evaluated on their own.
        package var tokens: [[Int32]]
        package var cases: [Case]

        package var description: String { name }

        /// The path of the hub folder.
        package var folderPath: String { Fixtures.path(folder) }

        /// The case called `name`; nil where this model does not have it.
        package func `case`(_ name: Case.Name) -> Case? { cases.first { $0.name == name } }
    }

    /// A loss and its gradients:
    /// `temperature² * (forward * KL(teacher || student) + reverse * KL(student || teacher)) + crossEntropy * CE`,
    /// each a mean over ``positionCount`` positions of all sequences.
    package struct Case: Decodable, Sendable, CustomStringConvertible {
        package enum Name: String, Decodable, Sendable, CaseIterable {
            case forward, temperature, mixed, reverse
        }

        package var name: Name
        /// What logits are divided by in both distributions of a divergence.
        package var temperature: Double
        /// Weight of KL(teacher || student).
        package var forward: Double
        /// Weight of KL(student || teacher).
        package var reverse: Double
        /// Weight of the cross-entropy with the next token.
        package var crossEntropy: Double
        /// How many positions of each sequence count, from the first on: 64, or the 63 that have a next token.
        package var positionCount: Int
        /// In nats.
        package var loss: Double
        /// `gradients/<model>.<case>.safetensors`
        package var file: String
        /// Where the gradient of a tied matrix is stored in its parts, too.
        package var tiedFile: String?

        package var description: String { name.rawValue }

        /// Whether all parameters have a gradient, and all of it. Otherwise block 0 and what is outside of the blocks
        /// have; of matrices, the leading rows.
        package var isWhole: Bool { name == .forward }

        /// The gradients under the hub's names, with respect to the perturbed weights and the stored norms.
        package var gradients: [String: FixtureTensor] { FixtureTensor.all(in: file) }

        /// What a tied matrix gets from its two uses; nil where it is not stored.
        package var tiedParts: (embedding: FixtureTensor, head: FixtureTensor)? {
            guard let tiedFile else { return nil }
            let parts = FixtureTensor.all(in: tiedFile)
            guard let embedding = parts["embedding"], let head = parts["head"] else {
                preconditionFailure("Tests/Fixtures/\(tiedFile) lacks 'embedding' or 'head'")
            }
            return (embedding, head)
        }

        private enum CodingKeys: String, CodingKey {
            case name, temperature, forward, reverse, crossEntropy, loss, file, tiedFile
            case positionCount = "positions"
        }
    }

    /// All models.
    package static let all: [Model] = {
        let file = "gradients/gradients.json"
        guard let data = try? Data(contentsOf: URL(fileURLWithPath: Fixtures.path(file))),
            let fixtures = try? JSONDecoder().decode(GradientFixtures.self, from: data)
        else { preconditionFailure("Tests/Fixtures/\(file) cannot be read") }
        return fixtures.models
    }()

    /// All models with each of their cases.
    package static let cases: [(model: Model, case: Case)] = all.flatMap { model in
        model.cases.map { (model, $0) }
    }
}
