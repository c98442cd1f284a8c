#include "sim/base/text.h"
#include "sim/operators/table.h"

namespace tollgate {
namespace {

void read_row(const TableRow& row, std::vector<OperatorSample>& out) {
  const std::string_view op = row.text("op");
  const OperatorCurve* curve = find_curve(op);
  if (!curve) {
    std::vector<std::string> known;
    for (const OperatorCurve* c : operator_curves()) known.emplace_back(c->op());
    std::string hint = did_you_mean(op, known);
    if (hint.empty()) hint = " Known: " + join(known) + ".";
    row.refuse("there is no operator " + quote(op) + "." + hint);
  }
  OperatorSample sample;
  const std::string_view precision = row.text("precision");
  const NumberFormat* format = find_number_format(precision);
  if (!format && precision != bytes_precision) {
    row.refuse("precision " + quote(precision) + " is not a number format.");
  }
  sample.key.op = op;
  sample.key.backend = row.text("backend");
  sample.key.precision = format ? format->name : precision;
  if (row.has("kernel")) sample.key.kernel = row.text("kernel");
  if (row.has("version")) sample.version = row.text("version");
  if (sample.key.backend.empty()) row.refuse("backend is empty.");
  for (const std::string_view column : curve->columns()) {
    // Weights and data from memory, as in serving, unless the table says how many copies it went
    // through.
    const bool way = column == "copies" || column == "inputs" || column == "until_full";
    if (way && !row.has(column)) {
      sample.shape.push_back(0);
      continue;
    }
    if (!row.has(column)) {
      row.refuse("the operator " + std::string(op) + " needs the column " + std::string(column) +
                 ".");
    }
    sample.shape.push_back(row.number(column));
  }
  sample.seconds = row.number("latency_us") * 1e-6;
  out.push_back(std::move(sample));
}

}  // namespace

TableFormat own_table() {
  TableFormat format;
  format.name = "tollgate";
  format.columns = {"op", "backend", "precision", "latency_us"};
  format.read = read_row;
  format.repetitions = TableFormat::Repetitions::must_agree;
  return format;
}

}  // namespace tollgate
