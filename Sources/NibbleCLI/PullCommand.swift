internal import ArgumentParser
internal import Nibble
internal import NibbleHub

struct PullCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pull",
        abstract: "Brings a checkpoint from a hub: Hugging Face, or one that speaks its API.",
        discussion: """
            Files are kept where Python's huggingface_hub keeps them, and what is there is not brought again. A pull that was \
            stopped goes on where it was. Other commands take hf:OWNER/NAME in the place of a path, and pull what they need.

            EXAMPLES
              nibble pull hf:google/gemma-3-270m
              nibble pull hf:ggml-org/gemma-3-270m-GGUF --for gguf --include '*Q8_0*'
              nibble pull hf:google/gemma-3-270m -o gemma-3-270m
              nibble convert hf:google/gemma-3-270m -o gemma.q4_0.gguf
              nibble perplexity hf:ggml-org/gemma-3-270m-GGUF/gemma-3-270m-Q8_0.gguf --text wiki.txt

            ENVIRONMENT
              HF_ENDPOINT      the hub, https://huggingface.co by default
              HF_TOKEN         who asks, for models that are private or have terms to be agreed to; else the file at
                               HF_TOKEN_PATH or HF_HOME/token, as `hf auth login` writes it
              HF_HOME          ~/.cache/huggingface by default; HF_HUB_CACHE is the folder of repositories, HF_HOME/hub
              HF_HUB_OFFLINE   1 downloads nothing
              HTTPS_PROXY      a proxy
            """
    )

    @Argument(
        help: "hf:OWNER/NAME, with @REVISION for another than main, or hf:OWNER/NAME/FILE for one file.")
    var repository: String

    @Option(help: ArgumentHelp("A branch, tag or commit.", valueName: "revision"))
    var revision: String?

    @OptionGroup var transfer: HubTransferOptions

    @Option(
        name: .customLong("for"),
        help: ArgumentHelp(
            "What is wanted: checkpoint (a hub folder), gguf, or all files.", valueName: "kind"))
    var kind: PullKind = .checkpoint

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            "Put the files into a folder, instead of the cache that Python shares.", valueName: "folder"))
    var output: String?

    @Flag(help: "Show which files would be brought, and bring none.")
    var dryRun = false

    @Flag(name: .shortAndLong, help: "Show no progress.")
    var quiet = false

    @Flag(help: "Print the result as JSON.")
    var json = false

    func run() throws {
        try Session.run { session in
            var name = try HubRepository(repository)
            if let revision { name = try HubRepository(HubRepository.prefix + name.path + "@" + revision) }
            var pull = HubPull(name, try HubSettings(environment: Session.environment))
            (pull.selection.include, pull.selection.exclude) = (transfer.include, transfer.exclude)
            pull.selection.kind = kind.selection
            pull.folder = output
            pull.parallelism = transfer.jobs
            if dryRun {
                let (commit, files) = try pull.listing(isCancelled: { session.isInterrupted })
                return try show(commit, files)
            }
            let result = try HubInput.run(pull, session, isQuiet: quiet)
            guard json else { return try StandardOutput.print(result.path) }
            try StandardOutput.print(
                JSONValue.members([
                    "repository": .string(name.id), "revision": .string(name.revision),
                    "commit": .string(result.commit), "path": .string(result.path),
                    "files": .array(result.files.map { .string($0.path) }), "bytes": .integer(result.bytes),
                    "bytes_received": .integer(result.bytesReceived),
                ]))
        }
    }

    private func show(_ commit: String, _ files: [RemoteFile]) throws {
        let total = files.reduce(0) { $0 + $1.size }
        guard json else {
            let rows = [["file", "bytes"]] + files.map { [$0.path, String($0.size)] }
            return try StandardOutput.print(
                Text.table(rows, right: [1]) + "\n\n\(Text.bytes(total)) at \(commit)")
        }
        try StandardOutput.print(
            JSONValue.members([
                "commit": .string(commit), "bytes": .integer(total),
                "files": .array(
                    files.map {
                        .members([
                            "path": .string($0.path), "bytes": .integer($0.size),
                            "digest": .string($0.digest.digits),
                        ])
                    }),
            ]))
    }
}

/// What a pull is for.
enum PullKind: String, ExpressibleByArgument, CaseIterable {
    case checkpoint
    case gguf
    case all

    var selection: HubSelection.Kind {
        switch self {
        case .checkpoint: .checkpoint
        case .gguf: .gguf
        case .all: .everything
        }
    }
}
