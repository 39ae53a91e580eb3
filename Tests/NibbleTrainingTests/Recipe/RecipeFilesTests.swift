import Foundation
import NibbleQuantization
import NibbleTestSupport
import NibbleTraining
import Testing

@Suite("Recipe files and their reference")
struct RecipeFilesTests {
    private static let root = String(Fixtures.folder.dropLast("/Tests/Fixtures".count))

    private static var names: [String] {
        get throws {
            try FileManager.default.contentsOfDirectory(atPath: root + "/Recipes").filter {
                $0.hasSuffix(".yaml")
            }.sorted()
        }
    }

    @Test("Every recipe of Recipes/ is valid, for Q4_0, and gives a reason for each field")
    func recipes() throws {
        let names = try Self.names
        #expect(names == ["gemma-3-1b.yaml", "gemma-3-270m.yaml", "gemma-3-4b.yaml", "smollm2-135m.yaml"])
        for name in names {
            let path = Self.root + "/Recipes/" + name
            let recipe = try Recipe(path: path)
            #expect(recipe.quantization.type == .q4_0 && recipe.notes.isEmpty, "\(recipe.notes)")
            var previous: Substring = ""
            for line in String(decoding: try contents(path), as: UTF8.self).split(separator: "\n") {
                if line.hasPrefix("  "), !line.hasPrefix("  #") {
                    #expect(previous.hasPrefix("  #"), "\(name): \(line)")
                }
                previous = line
            }
        }
    }

    @Test("docs/recipes.md equals Recipe.reference (NIBBLE_WRITE_REFERENCE=1 writes it)")
    func reference() throws {
        let path = Self.root + "/docs/recipes.md"
        if ProcessInfo.processInfo.environment["NIBBLE_WRITE_REFERENCE"] == "1" {
            try Recipe.reference.write(toFile: path, atomically: true, encoding: .utf8)
        }
        #expect(String(decoding: try contents(path), as: UTF8.self) == Recipe.reference)
    }

    @Test("The reference has a line for each field that is written")
    func fields() {
        for line in Recipe().yaml.split(separator: "\n") where line.hasPrefix("  ") {
            let name = line.dropFirst(2).prefix { $0 != ":" }
            #expect(
                Recipe.reference.contains("| `\(name)` | `\(line.dropFirst(name.count + 4))` |"), "\(line)")
        }
    }
}
