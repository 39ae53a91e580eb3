import NibbleCheckpoint
import NibbleNumerics
import NibbleTestSupport
import Testing

@testable import NibbleCalibration

@Suite("Choosing types for a size")
struct TypeChoiceTests {
    private static let types: [GGMLType] = [.q2_k, .q3_k, .q4_k, .q5_k, .q6_k, .q8_0]

    private static func option(_ type: GGMLType, _ bytes: Int, _ cost: Double) -> TypeChoice.Option {
        .init(type: type, bytes: bytes, cost: cost)
    }

    @Test("leaves out types that another is better than, alone or between two")
    func hull() {
        let hull = TypeChoice.hull([
            Self.option(.q8_0, 80, 0), Self.option(.q2_k, 20, 10), Self.option(.q3_k, 30, 9),
            Self.option(.q4_k, 40, 2), Self.option(.q5_0, 40, 3), Self.option(.q6_k, 60, 2.5),
        ])
        #expect(hull.map(\.type) == [.q2_k, .q4_k, .q8_0])
    }

    @Test("takes the step that gains most by byte, of all that fit")
    func steps() {
        let items = [
            [Self.option(.q2_k, 10, 8), Self.option(.q4_k, 20, 2)],
            [Self.option(.q2_k, 100, 50), Self.option(.q4_k, 200, 10)],
            [Self.option(.q2_k, 5, 1), Self.option(.q4_k, 8, 0)],
        ]
        func types(_ budget: Int) -> [GGMLType] { TypeChoice(items, budget: budget).chosen.map(\.type) }
        #expect(TypeChoice(items, budget: 0).range == 115...228)
        #expect(types(0) == [.q2_k, .q2_k, .q2_k])
        // The first gains 0.6 by byte, the second 0.4, the third 0.33.
        #expect(types(125) == [.q4_k, .q2_k, .q2_k])
        #expect(types(124) == [.q2_k, .q2_k, .q4_k])
        #expect(types(227) == [.q4_k, .q4_k, .q2_k])
        #expect(types(228) == [.q4_k, .q4_k, .q4_k])
    }

    @Test("costs no more than the best of all choices and one step, in no more bytes", arguments: 0..<40)
    func best(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let items = (0..<4).map { _ in
            Self.types.map {
                Self.option(
                    $0, Int.random(in: 1...60, using: &random), Double.random(in: 0...9, using: &random))
            }
        }
        let budget = Int.random(in: 20...200, using: &random)
        let choice = TypeChoice(items, budget: budget)
        // Every choice there is.
        var all: [(bytes: Int, cost: Double)] = [(0, 0)]
        for item in items {
            all = all.flatMap { sum in item.map { (sum.bytes + $0.bytes, sum.cost + $0.cost) } }
        }
        let fitting = all.filter { $0.bytes <= budget }
        #expect(choice.range.lowerBound == all.map(\.bytes).min())
        guard let best = fitting.map(\.cost).min() else {
            #expect(choice.bytes == choice.range.lowerBound)
            return
        }
        let step =
            items.flatMap { item in
                let hull = TypeChoice.hull(item)
                return zip(hull, hull.dropFirst()).map { $0.cost - $1.cost }
            }.max() ?? 0
        #expect(choice.bytes <= budget && choice.cost >= best - 1e-9)
        #expect(choice.cost <= best + step + 1e-9, "\(choice.cost), \(best), \(step)")
    }

    @Test("Costs read back from a journal as they were, and half a line does not")
    func journal() throws {
        var costs = MatrixCosts(name: "blk.0.attn_q.weight")
        costs.costs = [.q4_0: 0.1 + 0.2, .q6_k: 1e-300, .iq4_nl: 0]
        #expect(MatrixCosts(costs.json) == costs)
        #expect(
            MatrixCosts(.members(["name": .string("a"), "costs": .members(["q9": .string("1")])])) == nil)
        #expect(
            MatrixCosts(.members(["name": .string("a"), "costs": .members(["q4_0": .string("x")])])) == nil)
        #expect(MatrixCosts(.members(["name": .string("a")])) == nil)
    }
}
