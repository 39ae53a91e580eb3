internal import NibbleCheckpoint

/// A repository of models on a hub, at a revision; perhaps one file in it.
///
/// Written `hf:OWNER/NAME`, `hf:OWNER/NAME@REVISION`, `hf:OWNER/NAME/PATH/FILE.gguf`. Never a bare name, so that a mistyped path
/// is no download.
public struct HubRepository: Sendable, Equatable, CustomStringConvertible {
    /// Who owns it.
    public let owner: String
    /// Its name.
    public let name: String
    /// A branch, tag or commit.
    public var revision: String
    /// A file in it; nil for what makes up a checkpoint.
    public let file: String?

    /// What such a name begins with.
    public static let prefix = "hf:"

    /// `OWNER/NAME`.
    public var id: String { owner + "/" + name }
    /// `OWNER/NAME`, and the file if one is asked for.
    public var path: String { id + (file.map { "/" + $0 } ?? "") }
    /// `hf:OWNER/NAME`, with what was asked for besides.
    public var description: String { Self.prefix + path + (revision == "main" ? "" : "@" + revision) }

    /// Whether a path names a repository.
    public static func isName(_ path: String) -> Bool { path.hasPrefix(prefix) }

    /// - Throws: ``HubError`` (`invalidName`) where the text names no repository.
    public init(_ text: String) throws(HubError) {
        func invalid(_ problem: String) -> HubError {
            HubError(
                .invalidName, text, problem,
                advice: "write hf:OWNER/NAME, as hf:google/gemma-3-270m, perhaps with @REVISION")
        }
        guard text.hasPrefix(Self.prefix) else { throw invalid("does not begin with 'hf:'") }
        var rest = String(text.dropFirst(Self.prefix.count))
        var revision = "main"
        if let mark = rest.lastIndex(of: "@") {
            revision = String(rest[rest.index(after: mark)...])
            rest = String(rest[..<mark])
        }
        let parts = rest.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count >= 2 else { throw invalid("names no owner") }
        for part in parts.prefix(2) where !Self.isPlain(part) {
            throw invalid("has the part '\(part)', expected letters, digits and ._-")
        }
        let path = parts.dropFirst(2).joined(separator: "/")
        guard parts.count == 2 || HubPath.isSafe(path), HubPath.isSafe(revision) else {
            throw invalid("leaves its folder")
        }
        (owner, name, self.revision) = (parts[0], parts[1], revision)
        file = path.isEmpty ? nil : path
    }

    private static func isPlain(_ part: String) -> Bool {
        guard (1...96).contains(part.utf8.count), part != ".", part != "..", !part.hasPrefix("-"),
            !part.contains("--")
        else { return false }
        return part.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "-"):
                true
            default: false
            }
        }
    }
}

/// Paths that a server names.
enum HubPath {
    /// Whether a path stays in the folder that it is relative to, on every file system.
    static func isSafe(_ path: String) -> Bool {
        guard !path.isEmpty, path.utf8.count <= 1024, !path.contains("\\"),
            !path.unicodeScalars.contains(where: isControl)
        else { return false }
        return path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy {
            !$0.isEmpty && $0 != "." && $0 != ".." && $0.utf8.count <= 255
        }
    }

    /// A text without what terminals take for commands, line breaks among them.
    static func withoutControls(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.filter { !isControl($0) }))
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.generalCategory == .control
    }

    /// A text in an address between two slashes, percent-encoded.
    static func encodedPart(_ text: String) -> String { encoded(text).replacing("/", with: "%2F") }

    /// A path in an address, percent-encoded but for slashes.
    static func encoded(_ path: String) -> String {
        path.utf8.map { byte -> String in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "-"),
                UInt8(ascii: "~"), UInt8(ascii: "/"):
                String(UnicodeScalar(byte))
            default:
                "%" + String(byte >> 4, radix: 16, uppercase: true)
                    + String(byte & 15, radix: 16, uppercase: true)
            }
        }.joined()
    }
}
