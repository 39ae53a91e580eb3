internal import Foundation

/// Single operations with their gradients, computed by PyTorch in float64:
/// `Tests/Fixtures/gradients/operations.json` and `.safetensors`.
package struct OperationFixtures: Decodable, Sendable {
    package var cases: [Case]

    /// The operations, by the names of the fixtures.
    package enum Name: String, Decodable, Sendable, CaseIterable {
        /// `x` / root mean square * `weight`, rows of `[tokens, width]`; the second with values as small as epsilon's root.
        case rmsNorm, rmsNormSmall
        /// `x` of `[tokens, heads, head]`, pair i of token t turned by t * base^(-2i / head); pairs (i, i + head / 2).
        case rotaryHalves
        /// The same with pairs (2i, 2i + 1).
        case rotaryNeighbours
        /// gelu(`gate`) * `up`, by tanh, and silu(`gate`) * `up`; `[tokens, width]`.
        case geluGate, siluGate
        /// cap * tanh(`x` / cap).
        case softcap
        /// Causal; `query` of `[tokens, heads, head]`, `key` and `value` of `[tokens, key heads, head]`.
        case attention, attentionWindow
    }

    /// An operation on given inputs.
    package struct Case: Decodable, Sendable, CustomStringConvertible {
        package var name: Name
        /// Names of the inputs, in order.
        package var inputs: [String]
        package var epsilon: Float?
        package var base: Double?
        package var cap: Float?
        /// What products of query and key are multiplied by.
        package var scale: Float?
        /// How many tokens a token sees, itself included; nil for all before it.
        package var window: Int?

        package var description: String { name.rawValue }

        package func input(_ input: String) -> FixtureTensor { tensor(input) }

        /// The gradient of the output.
        package var upstream: FixtureTensor { tensor("upstream") }
        package var output: FixtureTensor { tensor("output") }

        /// The gradient of an input.
        package func gradient(of input: String) -> FixtureTensor { tensor(input + ".gradient") }

        private func tensor(_ part: String) -> FixtureTensor {
            let key = "\(name.rawValue).\(part)"
            guard let tensor = OperationFixtures.tensors[key] else {
                preconditionFailure("no '\(key)' in Tests/Fixtures/gradients/operations.safetensors")
            }
            return tensor
        }
    }

    /// All cases.
    package static let all: [Case] = {
        let file = "gradients/operations.json"
        guard let data = try? Data(contentsOf: URL(fileURLWithPath: Fixtures.path(file))),
            let fixtures = try? JSONDecoder().decode(OperationFixtures.self, from: data)
        else { preconditionFailure("Tests/Fixtures/\(file) cannot be read") }
        return fixtures.cases
    }()

    /// The case called `name`.
    package static func named(_ name: Name) -> Case {
        guard let found = all.first(where: { $0.name == name }) else {
            preconditionFailure("no case '\(name.rawValue)' in Tests/Fixtures/gradients/operations.json")
        }
        return found
    }

    private static let tensors = FixtureTensor.all(in: "gradients/operations.safetensors")
}
