internal import NibbleModel
internal import NibbleTensor

/// Sequences on their way through an unquantized model and, where inputs are compared, through the student that is
/// rounded just ahead of them.
struct PairedStreams {
    let teacher: LanguageModel
    /// The student; its matrices change between two halves of a block.
    let student: LanguageModel
    /// The residual stream of each sequence in the unquantized model.
    private(set) var exact: [Tensor]
    /// The same in the student; nil where it does not matter.
    private(set) var rounded: [Tensor]?

    /// Before the first block.
    ///
    /// - Throws: `ModelError` where a token is beyond the vocabulary.
    init(
        teacher: LanguageModel, student: LanguageModel, sequences: [[Int32]], compares: Bool
    ) throws(ModelError) {
        self.teacher = teacher
        self.student = student
        var (exact, rounded): ([Tensor], [Tensor]) = ([], [])
        for sequence in sequences {
            exact.append(try teacher.embed(sequence))
            if compares { rounded.append(try student.embed(sequence)) }
        }
        self.exact = exact
        self.rounded = compares ? rounded : nil
    }

    /// Passes a sequence through one half of a block of the teacher.
    ///
    /// - Parameter input: what flows into the last matrix of the half.
    mutating func lead(_ index: Int, with input: Tensor, through half: BlockHalf, of layer: Int) {
        exact[index] = teacher.add(input, through: half, of: layer, to: exact[index])
    }

    /// Passes all sequences through the same half of the student, which is rounded by then.
    mutating func follow(through half: BlockHalf, of layer: Int) {
        rounded = rounded?.map { student.advance($0, through: half, of: layer) }
    }
}
