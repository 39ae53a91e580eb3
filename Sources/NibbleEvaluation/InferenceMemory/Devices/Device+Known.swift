public import NibbleCheckpoint

extension Device {
    /// The devices whose memory is known: those of `devices.tsv`, each with its source.
    public static let all: [Device] = {
        do throws(CheckpointError) {
            return try table(String(decoding: PackageResources.devices_tsv, as: UTF8.self))
        } catch {
            preconditionFailure("\(error)")
        }
    }()

    /// The device of a name, its maker left out or not, in capitals or not.
    ///
    /// - Throws: ``CheckpointError`` (`.invalidRequest`) where there is none, with near names; or several, which differ in
    ///   the size of their memory.
    public static func named(_ name: String) throws(CheckpointError) -> Device {
        let asked = plain(name)
        if let device = all.first(where: { plain($0.name) == asked }) { return device }
        let sizes = all.filter { plain($0.nameWithoutSize) == asked }
        guard sizes.isEmpty else {
            throw CheckpointError(
                .invalidRequest, path: name, "is known with \(sizes.count) sizes of memory",
                advice: "name one: " + sizes.map { "'\($0.name)'" }.joined(separator: ", "))
        }
        throw CheckpointError(
            .invalidRequest, path: name, "is no device that is known",
            advice: NearestName.advice(name, among: all.map(\.name))
                ?? "name the memory that it has for a model, as 24G; 'all' shows what is known")
    }

    /// `RTX 4060 Ti` of `RTX 4060 Ti 16 GB`.
    private var nameWithoutSize: String {
        let words = name.split(separator: " ")
        return words.last == "GB" ? words.dropLast(2).joined(separator: " ") : name
    }

    /// A name without its maker, capitals, spaces and signs.
    private static func plain(_ name: String) -> String {
        let makers: Set<Substring> = ["nvidia", "geforce", "amd", "radeon", "apple", "google", "samsung"]
        let words = name.lowercased().split { !$0.isLetter && !$0.isNumber && $0 != "+" }
        let own = words.filter { !makers.contains($0) }
        return own.joined()
    }

    /// Reads lines of name, kind, GiB, MiB that are usable or nothing, and source, with tabs between them; `#` begins a
    /// comment.
    ///
    /// - Throws: ``CheckpointError`` where a line is none.
    static func table(_ text: String) throws(CheckpointError) -> [Device] {
        var devices: [Device] = []
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
        where !line.isEmpty && !line.hasPrefix("#") {
            let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            guard fields.count == 5, let kind = Kind(rawValue: fields[1]), let size = Int(fields[2]),
                size > 0,
                fields[3].isEmpty || Int(fields[3]) != nil, !fields[4].isEmpty
            else {
                throw CheckpointError(
                    .malformed, path: "devices.tsv", "line \(number + 1) is no device: '\(line)'")
            }
            devices.append(
                Device(
                    name: fields[0], kind: kind, bytes: size << 30, usable: Int(fields[3]).map { $0 << 20 },
                    source: fields[4]))
        }
        return devices
    }
}
