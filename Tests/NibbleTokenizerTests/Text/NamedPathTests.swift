import NibbleTestSupport
import NibbleTokenizer
import Testing

@Suite("Texts with names")
struct NamedPathTests {
    @Test(
        "A name before = is one where no file is called so",
        arguments: [
            ("code=a/b.txt", "code", "a/b.txt"), ("a/b=c.txt", nil, "a/b=c.txt"), ("=x", nil, "=x"),
            ("plain.txt", nil, "plain.txt"), ("kind=", "kind", ""), ("chat=-", "chat", "-"),
        ] as [(String, String?, String)])
    func names(argument: String, name: String?, path: String) {
        let named = NamedPath(argument)
        #expect(named.name == name && named.path == path)
    }

    @Test("A file whose name has a = is a file")
    func file() throws {
        let folder = try TemporaryFolder()
        // A path with a / before the = has no name in any case; the whole of it is a file here.
        let path = try folder.write("x".utf8, to: "a=b.txt")
        #expect(NamedPath(path).name == nil && NamedPath(path).path == path)
    }
}
