/// Which document of a text a chunk belongs to.
///
/// Chunks are cut from the whole text, as llama-perplexity cuts a file: some reach from one document into the next, and
/// count for the one that the middle of their scored tokens is in.
struct DocumentPlaces: Sendable {
    /// The first token of each document, ascending from 0.
    private let starts: [Int]

    /// - Parameter starts: the first token of each document, ascending from 0.
    init(starts: [Int]) {
        precondition(starts.first == 0, "a text begins with its first document")
        self.starts = starts
    }

    /// Number of documents.
    var count: Int { starts.count }

    /// The document of the chunk at `index`.
    func document(ofChunk index: Int, of plan: ChunkPlan) -> Int {
        // Conversations are documents.
        if plan.areConversations { return index }
        let scored = plan.scored
        let middle = index * (plan.stride ?? plan.window) + (scored.lowerBound + scored.upperBound) / 2
        return (starts.firstIndex { $0 > middle } ?? starts.count) - 1
    }
}
