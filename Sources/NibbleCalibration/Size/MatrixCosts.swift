internal import NibbleCheckpoint
internal import NibbleNumerics

/// What rounding a matrix to each of some types costs.
struct MatrixCosts: Equatable {
    /// Its GGUF name.
    let name: String
    /// Of each type the mean KL divergence of the output that its errors bring, in nats a token, estimated.
    var costs: [GGMLType: Double] = [:]

    init(name: String) { self.name = name }

    /// As a part of a line of the journal.
    var json: JSONValue {
        let members = costs.sorted { $0.key.rawValue < $1.key.rawValue }
            .map { JSONValue.Member($0.key.description.lowercased(), .string("\($0.value)")) }
        return .object([.init("name", .string(name)), .init("costs", .object(members))])
    }

    /// What a journal says; nil where it says so in part.
    init?(_ json: JSONValue) {
        guard let name = json["name"]?.text, let costs = json["costs"]?.members else { return nil }
        self.name = name
        for member in costs {
            guard let type = GGMLType(member.name), let cost = member.value.text.flatMap(Double.init) else {
                return nil
            }
            self.costs[type] = cost
        }
    }
}
