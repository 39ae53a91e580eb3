import Foundation
import Nibble

/// Speed of the forward pass's products at the shapes of two models, as a share of what the machine's arithmetic
/// reaches without memory, and of the operations between them.
///
/// All measurements of a round follow each other, so that a busy machine slows all alike; medians of the rounds.
@main
struct KernelBenchmark {
    static let tokens = 1024
    static let rounds = 7

    static func main() {
        for threads in [1, 2] {
            let peaks = Peak.Kind.allCases.map { Measurement.peak($0, threads: threads) }
            let products = Shape.all.map { shape in
                Product.all.map { Measurement.product($0, shape, threads: threads) }
            }
            let elementwise = Elementwise.all(threads: threads)
            Measurement.run(peaks + products.joined() + elementwise.map(\.measurement), rounds: rounds)
            report(threads, peaks, products, elementwise)
        }
    }

    private static func report(
        _ threads: Int, _ peaks: [Measurement], _ products: [[Measurement]], _ elementwise: [Elementwise]
    ) {
        print(threads == 1 ? "One thread:\n" : "\n\(threads) threads:\n")
        print("| product | " + Product.all.map(\.name).joined(separator: " | ") + " |")
        print("|---|" + Product.all.map { _ in "---:|" }.joined())
        let ceilings = Product.all.map { peaks[$0.kind.rawValue].speed }
        let peakCells = ceilings.map { String(format: "%.0f", $0) }
        print("| peak | " + peakCells.joined(separator: " | ") + " |")
        for (shape, row) in zip(Shape.all, products) {
            let cells = zip(row, ceilings).map { cell, ceiling in
                cell.speed > 0 ? String(format: "%.0f (%.0f%%)", cell.speed, 100 * cell.speed / ceiling) : "-"
            }
            print("| \(shape.name) | " + cells.joined(separator: " | ") + " |")
        }
        print("\n| operation | GB/s |\n|---|---:|")
        for row in elementwise {
            print("| \(row.name) | " + String(format: "%.1f", row.measurement.speed) + " |")
        }
    }
}
