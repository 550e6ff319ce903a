// A compiled template: statements and expressions.
#ifndef RAGMESH_LIBS_CHAT_TEMPLATE_AST_H_
#define RAGMESH_LIBS_CHAT_TEMPLATE_AST_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libs/chat_template/value.h"

namespace ragmesh::chat_template {

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

struct Expression {
  enum class Kind {
    kConstant,   // value
    kName,       // name
    kList,       // operands
    kTuple,      // operands
    kDict,       // operands: key, value, key, value
    kAttribute,  // operands[0] . name
    kItem,       // operands[0] [ operands[1] ]
    kSlice,      // operands[0] [ operands[1] : operands[2] : operands[3] ], each may be null
    kCall,       // operands[0] ( operands[1..], named )
    kFilter,  // operands[0] | name ( operands[1..], named ); operands[0] is null for a filter block
    kTest,    // operands[0] is name ( operands[1..] )
    kNot,     // operands[0]
    kNegate,  // operands[0]
    kAnd,     // operands[0], operands[1]
    kOr,      // operands[0], operands[1]
    kBinary,  // operands[0] name operands[1]
    kCompare,  // operands[0] operators[0] operands[1] operators[1] operands[2] ..
    kChoose,   // operands[0] if operands[1] else operands[2], which may be null
  };
  Kind kind = Kind::kConstant;
  int line = 1;
  std::string name;
  Value value;
  std::vector<ExpressionPtr> operands;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  std::vector<std::string> operators;

  Expression() = default;
  ~Expression();  // one after the other: operands of a long chain would not fit the stack
};

inline Expression::~Expression() {
  std::vector<ExpressionPtr> rest;
  const auto take = [&rest](Expression* from) {
    for (ExpressionPtr& operand : from->operands) rest.push_back(std::move(operand));
    for (auto& [name, argument] : from->named) rest.push_back(std::move(argument));
    from->operands.clear(), from->named.clear();
  };
  take(this);
  while (!rest.empty()) {
    const ExpressionPtr one = std::move(rest.back());
    rest.pop_back();
    if (one != nullptr) take(one.get());
  }
}

struct Statement;
using StatementPtr = std::unique_ptr<Statement>;
using Body = std::vector<StatementPtr>;

struct Statement {
  enum class Kind {
    kData,         // text
    kPrint,        // expression
    kIf,           // branches: condition (null for else) and body
    kFor,          // targets in expression, filtered by condition; body, else_body; recursive
    kSet,          // targets = expression, or targets = body when expression is null
    kMacro,        // name, parameters with defaults, body
    kFilterBlock,  // body through the filter in expression
    kCallBlock,    // expression is a call; body becomes its caller()
    kScope,        // body: with (targets = values one by one) and generation
    kBreak,
    kContinue,
  };
  struct Branch {
    ExpressionPtr condition;
    Body body;
  };
  // A name, or name.attribute for namespaces.
  struct Target {
    std::string name;
    std::string attribute;
  };

  Kind kind = Kind::kData;
  int line = 1;
  std::string text;  // data, or a macro's name
  ExpressionPtr expression;
  ExpressionPtr condition;
  std::vector<Branch> branches;
  std::vector<Target> targets;
  std::vector<ExpressionPtr> values;
  std::vector<std::pair<std::string, ExpressionPtr>> parameters;
  Body body;
  Body else_body;
};

}  // namespace ragmesh::chat_template

#endif  // RAGMESH_LIBS_CHAT_TEMPLATE_AST_H_
