public import NibbleCheckpoint
public import NibbleNumerics

/// What stands in an output for one tensor of a model: its rows in one format, in one tensor or in several.
public struct ExportedTensor: Sendable {
    /// Extents, slowest first.
    public let shape: [Int]
    /// How rows are encoded.
    public let format: WeightFormat
    /// Why.
    public let reason: QuantizationPlan.Reason
    /// How the output's values relate to the model's.
    public let convention: ValueConvention
    /// The tensors of the output that hold the rows together; one or more.
    public let parts: [Part]

    /// A tensor of the output.
    public struct Part: Sendable {
        /// Name, shape and element type.
        public internal(set) var tensor: CheckpointLayout.Tensor
        /// What it holds of the rows.
        public let contents: Contents

        /// Creates a part.
        public init(name: String, shape: [Int], type: GGMLType, _ contents: Contents) {
            tensor = .init(name: name, shape: shape, type: type)
            self.contents = contents
        }
    }

    /// Fills a row of a part from an encoded row; throws `CodecError.scaleOverflow` where the part cannot hold what a block has.
    public typealias Fill =
        @Sendable (UnsafeRawBufferPointer, UnsafeMutableRawBufferPointer) throws(CodecError) -> Void

    /// What a part holds.
    public enum Contents: Sendable {
        /// The encoded rows as they are.
        case rows
        /// Of each encoded row what the closure takes from it. The label tells parts apart in reports: `codes`.
        case share(String, Fill)
        /// Bytes that do not depend on the rows, and their label.
        case constant(String, [UInt8])
    }

    /// Rows that stand in one tensor as they are encoded.
    ///
    /// - Precondition: `format` is one of GGUF's, whose element types all outputs share.
    public init(
        name: String, shape: [Int], format: WeightFormat, reason: QuantizationPlan.Reason,
        convention: ValueConvention
    ) {
        guard let type = format.ggmlType else { preconditionFailure("\(name): no tensor holds \(format)") }
        self.init(
            shape: shape, format: format, reason: reason, convention: convention,
            parts: [Part(name: name, shape: shape, type: type, .rows)])
    }

    /// Rows that several tensors hold together, or one in another form than the encoded.
    public init(
        shape: [Int], format: WeightFormat, reason: QuantizationPlan.Reason, convention: ValueConvention,
        parts: [Part]
    ) {
        precondition(!parts.isEmpty, "a tensor without parts")
        self.shape = shape
        self.format = format
        self.reason = reason
        self.convention = convention
        self.parts = parts
    }

    /// The name of the first part.
    public var name: String { parts[0].tensor.name }
}

extension ExportedTensor.Part {
    /// Bytes that it holds of one row of `tensor`.
    func rowBytes(of tensor: ExportedTensor) -> Int {
        self.tensor.byteCount / tensor.shape.dropLast().reduce(1, *)
    }

    /// What its rows are made of, as reports say it: `Q4_0`, `INT4 scales`.
    public func description(of format: WeightFormat) -> String {
        switch contents {
        case .rows: format.description
        case .share(let label, _), .constant(let label, _): "\(format) \(label)"
        }
    }
}

extension PlannedTensor {
    /// Whether its values are the source's.
    var isStored: Bool { if case .stored = source { true } else { false } }

    /// The format of a quantized matrix in a form that holds some types alone: its own, or `fallback` where a rule chose one
    /// that is not held.
    ///
    /// - Throws: ``CheckpointError`` with `problem` and the type where somebody asked for one that is not held.
    func format(
        heldBy holds: (GGMLType) -> Bool, insteadOfRules fallback: WeightFormat, output: String,
        _ problem: String, advice: String
    ) throws(CheckpointError) -> WeightFormat {
        if let type = format.ggmlType, holds(type) { return format }
        if isByRule, columns.isMultiple(of: BlockCodes.group) { return fallback }
        throw CheckpointError(
            .invalidRequest, path: output, subject: "tensor '\(name)'", "\(problem) \(format)", advice: advice
        )
    }

    /// Whether a rule of the mixture, or its shape, gave it its format, and nobody asked for it.
    var isByRule: Bool {
        switch reason {
        case .mixture, .shape: isStored
        case .defaultType, .kept, .override, .lattice: false
        }
    }
}
