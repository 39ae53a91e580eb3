import Foundation
import NibbleCheckpoint
import NibbleTestSupport
import NibbleTokenizer
import Testing

@Suite("The language of chat templates")
struct JinjaTests {
    private static let recorded: JSONValue = {
        let data = try? Data(contentsOf: URL(fileURLWithPath: Fixtures.path("jinja.json")))
        return (try? Array(data ?? Data()).withUnsafeBytes { try JSONParser.parse($0, path: "jinja.json") })
            ?? .null
    }()

    private static let date = ChatDate(year: 2024, month: 7, day: 26, hour: 15, minute: 4, second: 5)

    private func render(_ template: String, _ variables: JSONValue = .object([])) throws
        -> JinjaTemplate.Output
    {
        try JinjaTemplate(template).render(
            (variables.members ?? []).map { .init($0.name, JinjaValue($0.value)) }, date: Self.date)
    }

    @Test("Templates print what they print in Jinja2, or fail as there")
    func recorded() throws {
        let variables = try #require(Self.recorded["variables"])
        let cases = try #require(Self.recorded["cases"]?.elements)
        #expect(cases.count > 90)
        for entry in cases {
            let template = try #require(entry["template"]?.text)
            guard let text = entry["text"]?.text else {
                #expect(throws: JinjaError.self, "\(template)") { try render(template, variables) }
                continue
            }
            do {
                let output = try render(template, variables)
                #expect(output.text == text, "\(template)")
                let marked = entry["marked"]?.elements?.compactMap { range in
                    (range.elements?.first?.integer ?? 0)..<(range.elements?.last?.integer ?? 0)
                }
                #expect(output.generated == marked?.filter { !$0.isEmpty }, "\(template)")
            } catch {
                Issue.record("\(template): \(error)")
            }
        }
    }

    @Test(
        "Errors name the line and what is wrong",
        arguments: [
            ("a\n{{ nosuch.field }}", 2, "'nosuch' is undefined: it has no 'field'"),
            (
                "{% if x %}\n\n{{ 'a' | nosuch }}{% endif %}{{ 1 | nosuch }}", 3,
                "filter 'nosuch' is not known"
            ),
            ("{# one\n two #}\n{% nosuch %}", 3, "statement 'nosuch' is not known"),
            ("{% for x in y %}\n", 1, "'else' or 'endfor' is missing"),
            ("{{ a b }}", 1, "the end of the tag is missing before 'b'"),
            ("\n{{ x(", 2, "a tag has no '}}'"),
            ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", 1, "the template is nested too deeply"),
            ("{{ 'x' * 100000000 }}", 1, "a value is too long"),
            ("{{ 9223372036854775807 + 1 }}", 1, "a number is too large"),
        ])
    func errors(template: String, line: Int, problem: String) throws {
        let error = #expect(throws: JinjaError.self) { try render(template) }
        #expect(error?.line == line)
        #expect(error?.problem == problem)
    }

    @Test(
        "Numbers at the ends of their range, and values that would grow without bounds, are right or errors",
        arguments: [
            ("{{ range(9223372036854775800, 9223372036854775807, 100) | length }}", "1"),
            ("{{ [1, 2, 3][1::9223372036854775807] }}", "[2]"),
            ("{{ [1, 2][::-9223372036854775807] }}", "[2]"),
            ("{{ 'a,b'.rsplit(',', 9223372036854775807) }}", "['a', 'b']"),
            ("{{ (-9223372036854775807 - 1) ** 100 }}", nil), ("{{ (-9223372036854775807 - 1) // -1 }}", nil),
            ("{{ [1] | tojson(indent=9223372036854775807) | length }}", "69"),
            (
                "{% set ns = namespace(x='a') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
                nil
            ),
            (
                "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
                nil
            ),
            (
                "{% set ns = namespace(x=[]) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}",
                nil
            ),
            ("{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}", nil),
            ("{% set ns = namespace() %}{% set ns.x = [ns] %}{{ ns }}", nil),
            ("{{ ('a' * 100000).replace('a', 'b' * 100000) }}", nil),
            ("{{ range(100000) | sort(reverse=true) | first }}", "99999"),
            ("{{ (['a'] * 10000) | join('b' * 100000) }}", nil),
            ("{{ range(100000) | unique | list | length }}", nil),
        ] as [(String, String?)])
    func extremes(template: String, expected: String?) throws {
        if let expected {
            #expect(try render(template).text == expected)
        } else {
            #expect(throws: JinjaError.self) { try render(template) }
        }
    }

    @Test("Templates that do not end or are nested without bounds are errors")
    func bounds() throws {
        let loops =
            String(repeating: "{% for i in range(1000) %}", count: 4)
            + String(repeating: "{% endfor %}", count: 4)
        let endless = #expect(throws: JinjaError.self) { try render(loops) }
        #expect(endless?.problem == "the template does not come to an end")
        let brackets =
            "{{ " + String(repeating: "(", count: 5000) + String(repeating: ")", count: 5000) + " }}"
        #expect(throws: JinjaError.self) { try render(brackets) }
        let nested =
            String(repeating: "{% if 1 %}", count: 5000) + String(repeating: "{% endif %}", count: 5000)
        #expect(throws: JinjaError.self) { try render(nested) }
        #expect(throws: JinjaError.self) {
            try render("{{ " + String(repeating: "not ", count: 5000) + "1 }}")
        }
        #expect(throws: JinjaError.self) { try render("{{ " + String(repeating: "-", count: 5000) + "1 }}") }
    }
}
