// The weights are needed first, so they are loaded first.
pdl.pattern @weights_first : benefit(1) {
  %index = pdl.type : index
  %spad = pdl.type : !gemmini.local<spad>
  %left_type = pdl.type
  %right_type = pdl.type
  %left = pdl.operand : %left_type
  %right = pdl.operand : %right_type
  %i = pdl.operand : %index
  %j = pdl.operand : %index
  %k = pdl.operand : %index
  %rows = pdl.operand : %index
  %cols = pdl.operand : %index
  %depth = pdl.operand : %index
  %channel1 = pdl.attribute
  %stride1 = pdl.attribute
  %block1 = pdl.attribute
  %channel2 = pdl.attribute
  %stride2 = pdl.attribute
  %block2 = pdl.attribute
  %row1_value = pdl.attribute
  %row2_value = pdl.attribute
  %config1 = pdl.operation "gemmini.config_ld" {"channel" = %channel1, "stride" = %stride1, "block_stride" = %block1}
  %row1_op = pdl.operation "arith.constant" {"value" = %row1_value} -> (%index : !pdl.type)
  %row1 = pdl.result 0 of %row1_op
  %at1_op = pdl.operation "gemmini.spad" (%row1 : !pdl.value) -> (%spad : !pdl.type)
  %at1 = pdl.result 0 of %at1_op
  %load1 = pdl.operation "gemmini.mvin" (%left, %i, %k, %at1, %rows, %depth : !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value) {"channel" = %channel1}
  %config2 = pdl.operation "gemmini.config_ld" {"channel" = %channel2, "stride" = %stride2, "block_stride" = %block2}
  %row2_op = pdl.operation "arith.constant" {"value" = %row2_value} -> (%index : !pdl.type)
  %row2 = pdl.result 0 of %row2_op
  %at2_op = pdl.operation "gemmini.spad" (%row2 : !pdl.value) -> (%spad : !pdl.type)
  %at2 = pdl.result 0 of %at2_op
  %load2 = pdl.operation "gemmini.mvin" (%right, %k, %j, %at2, %depth, %cols : !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value) {"channel" = %channel2}
  pdl.apply_native_constraint "consecutive"(%config1, %load1, %config2, %load2 : !pdl.operation, !pdl.operation, !pdl.operation, !pdl.operation)
  pdl.rewrite %load2 {
    %new2 = pdl.operation "gemmini.mvin" (%right, %k, %j, %at2, %depth, %cols : !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value) {"channel" = %channel2}
    %new1 = pdl.operation "gemmini.mvin" (%left, %i, %k, %at1, %rows, %depth : !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value, !pdl.value) {"channel" = %channel1}
    pdl.erase %load1
    pdl.erase %load2
  }
}
