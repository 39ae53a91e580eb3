import NibbleTestSupport
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

@Suite("Recorded gradients of operations")
struct OperationFixtureTests {
    /// Rounding to F32 of values up to 180 (softcap's input times its output's slope, the gates' products).
    static let bound = 2e-5

    @Test(
        "exist for every operation, in the shape of what they belong to",
        arguments: OperationFixtures.Name.allCases)
    func shapes(name: OperationFixtures.Name) {
        let fixture = OperationFixtures.named(name)
        #expect(fixture.output.shape == fixture.upstream.shape)
        #expect(fixture.output.shape == fixture.input(fixture.inputs[0]).shape)
        for input in fixture.inputs {
            #expect(fixture.gradient(of: input).shape == fixture.input(input).shape, "\(input)")
            #expect(fixture.gradient(of: input).values.contains { $0 != 0 }, "\(input)")
        }
    }

    @Test("are those of the soft cap's formula")
    func softcap() throws {
        let fixture = OperationFixtures.named(.softcap)
        let cap = Double(try #require(fixture.cap))
        for (index, x) in fixture.input("x").values.enumerated() {
            let squashed = tanh(Double(x) / cap)
            let slope = Double(fixture.upstream.values[index]) * (1 - squashed * squashed)
            #expect(abs(Double(fixture.output.values[index]) - cap * squashed) <= Self.bound)
            #expect(abs(Double(fixture.gradient(of: "x").values[index]) - slope) <= Self.bound)
        }
    }

    @Test("are those of the SiLU gate's formula")
    func siluGate() {
        let fixture = OperationFixtures.named(.siluGate)
        let (gates, ups) = (fixture.input("gate").values, fixture.input("up").values)
        for index in gates.indices {
            let (gate, up) = (Double(gates[index]), Double(ups[index]))
            let upstream = Double(fixture.upstream.values[index])
            let sigmoid = 1 / (1 + exp(-gate))
            let slope = sigmoid * (1 + gate * (1 - sigmoid))
            #expect(abs(Double(fixture.output.values[index]) - gate * sigmoid * up) <= Self.bound)
            #expect(
                abs(Double(fixture.gradient(of: "up").values[index]) - upstream * gate * sigmoid)
                    <= Self.bound)
            #expect(
                abs(Double(fixture.gradient(of: "gate").values[index]) - upstream * up * slope) <= Self.bound)
        }
    }

    @Test(
        "of both rotary embeddings turn the upstream gradient back",
        arguments: [
            OperationFixtures.Name.rotaryHalves, .rotaryNeighbours,
        ])
    func rotary(name: OperationFixtures.Name) throws {
        let fixture = OperationFixtures.named(name)
        let base = try #require(fixture.base)
        let shape = fixture.output.shape
        let (heads, head) = (shape[1], shape[2])
        for token in 0..<shape[0] {
            for pair in 0..<head / 2 {
                let angle = Double(token) * pow(base, -2 * Double(pair) / Double(head))
                let (cosine, sine) = (cos(angle), sin(angle))
                for start in stride(from: token * heads * head, to: (token + 1) * heads * head, by: head) {
                    let a = name == .rotaryHalves ? start + pair : start + 2 * pair
                    let b = name == .rotaryHalves ? a + head / 2 : a + 1
                    let (x, y) = (fixture.input("x").values, fixture.output.values)
                    let (g, dx) = (fixture.upstream.values, fixture.gradient(of: "x").values)
                    #expect(abs(Double(y[a]) - (Double(x[a]) * cosine - Double(x[b]) * sine)) <= Self.bound)
                    #expect(abs(Double(y[b]) - (Double(x[b]) * cosine + Double(x[a]) * sine)) <= Self.bound)
                    #expect(abs(Double(dx[a]) - (Double(g[a]) * cosine + Double(g[b]) * sine)) <= Self.bound)
                    #expect(abs(Double(dx[b]) - (Double(g[b]) * cosine - Double(g[a]) * sine)) <= Self.bound)
                }
            }
        }
    }
}
