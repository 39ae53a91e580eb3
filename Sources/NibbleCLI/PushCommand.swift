internal import ArgumentParser
internal import Nibble
internal import NibbleHub

struct PushCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "push",
        abstract: "Brings a file or a folder to a hub: Hugging Face, or one that speaks its API.",
        discussion: """
            All goes into one commit, so that nobody ever sees half of it. What the repository has already is not sent; large \
            files that arrived before a push was stopped are not sent again. Of a folder, names that begin with a dot and files \
            that are not whole yet (.part) are left out.

            `nibble card` writes the README.md by which others find and judge a model.

            EXAMPLES
              nibble push gemma-q4_0 hf:me/gemma-3-270m-q4_0 --create private
              nibble push gemma.q4_0.gguf hf:me/gemma-3-270m-q4_0
              nibble push gemma.q4_0.gguf hf:me/gemma-3-270m-GGUF/files/gemma-3-270m-Q4_0.gguf
              nibble push run/export hf:team/model --pull-request --message "Train on the manual"

            ENVIRONMENT
              HF_TOKEN         who writes, with a token that may; else the file at HF_TOKEN_PATH or HF_HOME/token
              HF_ENDPOINT      the hub, https://huggingface.co by default
              HTTPS_PROXY      a proxy
            """
    )

    @Argument(help: "A file or a folder.")
    var path: String

    @Argument(
        help: ArgumentHelp(
            "hf:OWNER/NAME, perhaps with the path of the file or folder there, and @REVISION for another branch than main.",
            valueName: "repository"))
    var repository: String

    @Option(
        help: ArgumentHelp(
            "Make the repository if there is none: private or public.", valueName: "visibility"))
    var create: PushVisibility?

    @Option(name: .shortAndLong, help: ArgumentHelp("The message of the commit.", valueName: "text"))
    var message: String?

    @Flag(help: "Open a pull request instead of writing to the branch.")
    var pullRequest = false

    @OptionGroup var transfer: HubTransferOptions

    @Flag(help: "Show what would be sent, and send nothing.")
    var dryRun = false

    @Flag(name: .shortAndLong, help: "Show no progress.")
    var quiet = false

    @Flag(help: "Print the result as JSON.")
    var json = false

    func run() throws {
        try Session.run { session in
            var push = HubPush(
                path, to: try HubRepository(repository), try HubSettings(environment: Session.environment))
            (push.selection.include, push.selection.exclude) = (transfer.include, transfer.exclude)
            push.creation = create?.visibility
            push.message = message
            push.opensPullRequest = pullRequest
            push.parallelism = transfer.jobs
            if dryRun {
                return try show(push.files(isCancelled: { session.isInterrupted }))
            }
            let progress = HubProgressLine(isQuiet: quiet)
            let result = try push.run(
                progress: { progress.update($0) }, isCancelled: { session.isInterrupted })
            progress.finish()
            for file in result.files where file.state == .ignored {
                session.warn(["\(file.path) was not taken: the repository's .gitignore names it"])
            }
            let sent = result.files.filter { [.new, .changed].contains($0.state) }
            progress.note(
                "\(push.repository): \(sent.count) of \(result.files.count) files are new, "
                    + Text.bytes(sent.reduce(0) { $0 + $1.size }))
            guard json else {
                return try StandardOutput.print(result.address ?? "nothing new; still at \(result.commit)")
            }
            try StandardOutput.print(
                JSONValue.members([
                    "repository": .string(push.repository.id), "revision": .string(push.repository.revision),
                    "commit": .string(result.commit),
                    "address": result.address.map { .string($0) } ?? .null,
                    "files": Self.files(result.files),
                ]))
        }
    }

    private func show(_ files: [HubPush.File]) throws {
        let sent = files.filter { $0.state != .same }
        let bytes = sent.reduce(0) { $0 + $1.size }
        guard json else {
            let rows = [["file", "bytes", ""]] + files.map { [$0.path, String($0.size), $0.state.rawValue] }
            return try StandardOutput.print(
                Text.table(rows, right: [1])
                    + "\n\n\(sent.count) of \(files.count) files would be sent, \(Text.bytes(bytes))")
        }
        try StandardOutput.print(
            JSONValue.members(["bytes_to_send": .integer(bytes), "files": Self.files(files)]))
    }

    private static func files(_ files: [HubPush.File]) -> JSONValue {
        .array(
            files.map {
                .members([
                    "path": .string($0.path), "bytes": .integer($0.size), "state": .string($0.state.rawValue),
                ])
            })
    }
}

/// Who sees a repository that is made.
enum PushVisibility: String, ExpressibleByArgument, CaseIterable {
    case `private`
    case `public`

    var visibility: HubPush.Visibility {
        switch self {
        case .private: .private
        case .public: .public
        }
    }
}
