import Foundation
import NibbleTestSupport
import Testing

@Suite("nibble convert and inspect of what lies on a lattice")
struct LatticeCommandTests {
    private let folder: TemporaryFolder
    private var plain: String { folder.file("plain.gguf") }

    /// A BF16 file whose matrices lie on the lattice of Q4_0, the embedding's as well.
    init() throws {
        folder = try TemporaryFolder()
        for arguments in [
            [
                Fixtures.path("hub/gemma3-text"), "-o", folder.file("codes.gguf"), "--pure", "--imatrix",
                Fixtures.path("imatrix/gemma3-text.gguf"),
            ],
            [folder.file("codes.gguf"), "-o", folder.file("plain.gguf"), "--type", "bf16"],
        ] {
            let result = try CommandLineTool.run(["convert"] + arguments + ["--quiet"])
            try #require(result.status == 0, "\(result)")
        }
    }

    private func run(_ arguments: [String]) throws -> CommandLineTool.Result {
        let result = try CommandLineTool.run(arguments)
        #expect(result.status == 0, "\(result)")
        return result
    }

    private func json(_ text: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    @Test("inspect says which lattice, of which matrices, with which scales")
    func inspect() throws {
        let text = try run(["inspect", plain]).output
        #expect(text.contains("lattice") && text.contains("Q4_0: 57 of 57 matrices"), "\(text)")
        let document = try json(try run(["inspect", plain, "--json"]).output)
        let share = try #require((document["lattices"] as? [[String: Any]])?.first)
        #expect(share["format"] as? String == "Q4_0" && share["blocks_off"] as? Int == 0)
        // An importance matrix gives halves of 11 bits.
        #expect(share["scales"] as? String == "storable")
        #expect((share["tensors"] as? [String])?.contains("token_embd.weight") == true)
        let free = try json(try run(["inspect", Fixtures.path("hub/gemma3-text"), "--json"]).output)
        #expect((free["lattices"] as? [Any])?.isEmpty == true && free["plain_matrices"] as? Int == 57)
    }

    @Test("convert keeps it, says so, and in a dry run too")
    func kept() throws {
        let command = ["convert", plain, "-o", folder.file("back.gguf")]
        let plan = try run(command + ["--dry-run"])
        #expect(plan.output.contains("keeps its lattice") && !plan.errors.contains("lattice"), "\(plan)")
        let result = try run(command + ["--quiet"])
        #expect(result.output.contains("blocks decode to the values of the source"), "\(result.output)")
        let document = try json(try run(command + ["--force", "--quiet", "--json"]).output)
        let blocks = try #require(document["lattice_blocks"] as? [String: Int])
        #expect(blocks["off"] == 0 && blocks["rounded"] == 0 && (blocks["exact"] ?? 0) > 1000)
        // The same model, all of it.
        let compared = try run([
            "compare", plain, folder.file("back.gguf"), "--text", Fixtures.path("texts/english.txt"),
            "--context", "32",
            "--json", "--quiet",
        ])
        let models = try #require(try json(compared.output)["models"] as? [[String: Any]])
        let divergence = try #require((models.last?["kl_divergence"] as? [String: Any])?["value"] as? Double)
        #expect(divergence < 0.002, "\(divergence)")
    }

    @Test("Conversions that leave it are warned of with what they change")
    func left() throws {
        let ignored = try run(["convert", plain, "-o", folder.file("a.gguf"), "--ignore-grid", "--quiet"])
        #expect(
            ignored.errors.contains("on the lattice of Q4_0 and get scales that Q4_0 chooses anew"),
            "\(ignored.errors)")
        #expect(!ignored.output.contains("on their lattice"))
        let other = try run(["convert", plain, "-o", folder.file("b.gguf"), "--type", "iq4_nl", "--quiet"])
        #expect(other.errors.contains("and become IQ4_NL: that changes them by"), "\(other.errors)")
        #expect(other.errors.contains("where --type q4_0 alone keeps their values"), "\(other.errors)")
        let free = try run([
            "convert", Fixtures.path("hub/gemma3-text"), "-o", folder.file("c.gguf"), "--quiet",
        ])
        #expect(free.errors.isEmpty, "\(free.errors)")
    }
}
