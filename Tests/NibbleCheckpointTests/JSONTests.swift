import NibbleCheckpoint
import Testing

@Suite("JSON")
struct JSONTests {
    private func parse(_ text: String) throws(CheckpointError) -> JSONValue {
        let bytes = Array(text.utf8)
        return try bytes.span.withUnsafeBytes { bytes throws(CheckpointError) in
            try JSONParser.parse(bytes, path: "test.json")
        }
    }

    @Test("Members keep their order, numbers their spelling")
    func order() throws {
        let value = try parse(#" {"b": 1e-06, "a": [true, null, -0.5], "c": {"d": "x"}} "#)
        #expect(value.members?.map(\.name) == ["b", "a", "c"])
        #expect(value["b"] == .number("1e-06"))
        #expect(value["a"]?.elements == [.bool(true), .null, .number("-0.5")])
        #expect(value["c"]?["d"]?.text == "x")
    }

    @Test("Escapes, surrogate pairs and raw UTF-8 are decoded")
    func escapes() throws {
        #expect(try parse(#""a\n\u00e9\ud83d\ude00\"\\\/é""#).text == "a\né😀\"\\/é")
    }

    @Test("Numbers convert without loss or not at all")
    func numbers() throws {
        #expect(try parse("9223372036854775807").integer == Int.max)
        #expect(try parse("1e3").integer == 1000)
        #expect(try parse("1.5").integer == nil)
        #expect(try parse("1e300").integer == nil)
        #expect(try parse("1e-06").real == 1e-6)
    }

    @Test(
        "Malformed text is an error with its byte",
        arguments: [
            ("", 0), ("{", 1), ("[1,]", 3), (#"{"a":1,}"#, 7), (#"{"a":1,"a":2}"#, 7), ("tru", 0), ("01", 0),
            ("1.", 2), ("-", 0), ("\"a", 0), (#""\x""#, 2), (#""\ud800""#, 7), ("1 2", 2), ("\"\u{01}\"", 1),
            ("[1 2]", 3), (#"{"a" 1}"#, 5), ("{1:2}", 1), ("nan", 0),
        ])
    func malformed(text: String, byte: Int) throws {
        let error = #expect(throws: CheckpointError.self) { try parse(text) }
        #expect(error?.code == .malformed)
        #expect(error?.offset == byte)
    }

    @Test("Invalid UTF-8 in a string is an error")
    func invalidUTF8() throws {
        let bytes: [UInt8] = [0x22, 0xFF, 0xFE, 0x22]
        #expect(throws: CheckpointError.self) {
            try bytes.withUnsafeBytes { try JSONParser.parse($0, path: "test.json") }
        }
    }

    @Test("Nesting is limited")
    func nesting() throws {
        let depth = JSONParser.maximumDepth
        let fits = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        #expect(throws: Never.self) { try parse(fits) }
        #expect(throws: CheckpointError.self) { try parse("[" + fits + "]") }
        #expect(throws: CheckpointError.self) { try parse(String(repeating: "[", count: 1_000_000)) }
    }

    @Test("What is written reads back", arguments: [true, false])
    func roundTrip(pretty: Bool) throws {
        let value = JSONValue.members([
            "text": .string("a\"b\\c\n\t\u{01}é😀"), "empty": .array([]), "none": .object([]),
            "list": .array([.integer(-1), .real(0.1), .bool(false), .null]),
        ])
        #expect(try parse(value.serialized(pretty: pretty)) == value)
    }
}
