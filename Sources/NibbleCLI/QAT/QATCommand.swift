internal import ArgumentParser
internal import Nibble

struct QATCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "qat",
        abstract: "Trains a checkpoint to lose less when it is quantized, and exports it.",
        discussion: """
            Quantization-aware training: the weights are rounded in every step as they will be in the file, and \
            learn the probabilities of the unquantized checkpoint.

              nibble qat train gemma-3-270m --text wiki.train.txt --output run
              nibble qat status run --watch
              nibble qat report run
              nibble qat export run -o gemma.qat.gguf

            "nibble qat TEACHER ..." is short for "nibble qat train TEACHER ...".
            """,
        subcommands: [
            QATTrainCommand.self, QATExportCommand.self, QATStatusCommand.self, QATReportCommand.self,
        ],
        defaultSubcommand: QATTrainCommand.self
    )
}
