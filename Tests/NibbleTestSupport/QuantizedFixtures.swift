internal import Foundation

/// What llama-quantize made of the small models: `Tests/Fixtures/quantized.json`.
package struct QuantizedFixtures: Decodable, Sendable {
    package var models: [String: Model]

    package struct Model: Decodable, Sendable {
        package var tensors: [String]
        package var cases: [Case]
    }

    package struct Case: Decodable, Sendable, CustomStringConvertible {
        package var type: String
        package var flags: [String]
        package var sha256: String
        package var size: Int
        package var types: String
        package var digests: String

        package var description: String { ([type] + flags).joined(separator: " ") }
    }

    /// All models and cases.
    package static let all: [(model: String, tensors: [String], Case)] = {
        guard let data = try? Data(contentsOf: URL(fileURLWithPath: Fixtures.path("quantized.json"))),
            let fixtures = try? JSONDecoder().decode(QuantizedFixtures.self, from: data)
        else { preconditionFailure("Tests/Fixtures/quantized.json cannot be read") }
        return fixtures.models.sorted { $0.key < $1.key }.flatMap { name, model in
            model.cases.map { (model: name, tensors: model.tensors, $0) }
        }
    }()
}
