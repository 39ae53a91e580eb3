import NibbleCheckpoint
import NibbleTestSupport
import Testing

@Suite("Tensor names")
struct NamingSchemeTests {
    @Test("Every role of an architecture has a name that leads back to it", arguments: Architecture.allCases)
    func roundTrip(architecture: Architecture) {
        var found = 0
        for kind in TensorRole.Kind.allCases {
            for layer in [nil, 0, 17] {
                for part in [TensorRole.Part.weight, .bias] {
                    let role = TensorRole(kind, layer: layer, part: part)
                    for scheme in [NamingScheme.hub, .gguf] {
                        guard let name = scheme.name(of: role, in: architecture) else { continue }
                        found += 1
                        #expect(scheme.role(of: name, in: architecture) == role)
                    }
                }
            }
        }
        #expect(found > 40)
    }

    @Test(
        "The norm after attention means different things",
        arguments: [(Architecture.gemma3, TensorRole.Kind.attentionPostNorm), (.llama, .feedForwardNorm)])
    func ambiguousNorm(architecture: Architecture, kind: TensorRole.Kind) {
        let name = "model.layers.2.post_attention_layernorm.weight"
        #expect(NamingScheme.hub.role(of: name, in: architecture) == TensorRole(kind, layer: 2))
    }

    @Test(
        "What is no tensor has no role",
        arguments: [
            "", "model.layers.0", "model.layers.x.mlp.up_proj.weight", "model.layers.-1.mlp.up_proj.weight",
            "model.layers.00.mlp.up_proj.weight", "model.norm.bias", "blk.0.attn_q.weight",
            "model.layers.99999999999999999999.mlp.up_proj.weight", "model.layers.0.mlp.up_proj.scale",
        ])
    func unknown(name: String) {
        #expect(NamingScheme.hub.role(of: name, in: .gemma3) == nil)
    }

    @Test("All tensors of the expected files are known", arguments: Fixtures.hubNames)
    func expectedFiles(name: String) throws {
        let file = try GGUFFile(path: Fixtures.path("hub/\(name).expected.gguf"))
        let name = try #require(try file.metadata.value("general.architecture")?.text)
        let architecture = try #require(Architecture(rawValue: name))
        for tensor in file.tensors {
            #expect(NamingScheme.gguf.role(of: tensor.name, in: architecture) != nil, "\(tensor.name)")
        }
    }
}
