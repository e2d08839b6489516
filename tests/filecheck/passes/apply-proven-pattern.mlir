// RUN: liftproof-opt %s --split-input-file -p 'apply-proven-pattern{file="%S/double.pdl"}' | filecheck %s

// Products with two become sums, of the same operand.
func.func @doubles(%x: i32, %y: i32) -> (i32, i32) {
  %two = arith.constant 2 : i32
  %a = arith.muli %x, %two : i32
  %b = arith.muli %y, %two : i32
  func.return %a, %b : i32, i32
}
// CHECK-LABEL: func.func @doubles
// CHECK:       %a = arith.addi %x, %x : i32
// CHECK-NEXT:  %b = arith.addi %y, %y : i32
// CHECK-NEXT:  func.return %a, %b

// -----

// Other factors, other types and flagged products stay: nothing is proved of them.
func.func @others(%x: i32, %z: i64) -> (i32, i64, i32) {
  %two = arith.constant 2 : i32
  %three = arith.constant 3 : i32
  %wide = arith.constant 2 : i64
  %a = arith.muli %x, %three : i32
  %b = arith.muli %z, %wide : i64
  %c = arith.muli %x, %two overflow<nsw> : i32
  func.return %a, %b, %c : i32, i64, i32
}
// CHECK-LABEL: func.func @others
// CHECK:       arith.muli %x, %three : i32
// CHECK-NEXT:  arith.muli %z, %wide : i64
// CHECK-NEXT:  arith.muli %x, %two overflow<nsw> : i32
