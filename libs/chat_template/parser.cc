#include "libs/chat_template/parser.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/chat_template/lexer.h"

namespace ragmesh::chat_template {
namespace {

// Real templates nest below 20 levels; each level costs a few hundred bytes of stack here and in
// the interpreter.
constexpr int kMaxNesting = 100;

using Kind = Expression::Kind;
using ExpressionOr = absl::StatusOr<ExpressionPtr>;

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  absl::StatusOr<Body> Parse() {
    RAGMESH_ASSIGN_OR_RETURN(Body body, Statements({}));
    if (Peek().type != TokenType::kEnd)
      return Bad(absl::StrCat("unexpected tag \"", Ahead(1).text, "\""));
    return body;
  }

 private:
  // Counts levels of nesting while it lives.
  class Level {
   public:
    explicit Level(Parser* parser) : parser_(parser) { ++parser_->level_; }
    ~Level() { --parser_->level_; }

   private:
    Parser* parser_;
  };

  const Token& Ahead(std::size_t count) const {
    return tokens_[std::min(position_ + count, tokens_.size() - 1)];
  }
  const Token& Peek() const { return Ahead(0); }
  Token Take() {
    Token token = Peek();
    if (position_ + 1 < tokens_.size()) ++position_;
    return token;
  }
  absl::Status Bad(absl::string_view problem) const { return BadTemplate(Peek().line, problem); }
  bool AtOperator(absl::string_view text) const {
    return Peek().type == TokenType::kOperator && Peek().text == text;
  }
  bool AtName(absl::string_view text) const {
    return Peek().type == TokenType::kName && Peek().text == text;
  }
  bool Accept(absl::string_view text) {
    if (!AtOperator(text) && !AtName(text)) return false;
    Take();
    return true;
  }
  absl::Status Expect(absl::string_view text) {
    if (Accept(text)) return absl::OkStatus();
    return Bad(absl::StrCat("expected \"", text, "\" before \"", Peek().text, "\""));
  }
  absl::StatusOr<std::string> Name() {
    if (Peek().type != TokenType::kName)
      return Bad(absl::StrCat("expected a name before \"", Peek().text, "\""));
    return Take().text;
  }
  absl::Status EndBlock() {
    if (Peek().type != TokenType::kBlockEnd)
      return Bad(absl::StrCat("unexpected \"", Peek().text, "\" in a tag"));
    Take();
    return absl::OkStatus();
  }
  // Past the name of the tag that ended a body, to its end.
  absl::Status CloseTag() {
    Take();
    Take();
    return EndBlock();
  }

  ExpressionPtr Make(Kind kind) const {
    auto expression = std::make_unique<Expression>();
    expression->kind = kind;
    expression->line = Peek().line;
    return expression;
  }

  // Statements up to a tag named in `ends`, which is left in place.
  absl::StatusOr<Body> Statements(const std::vector<absl::string_view>& ends) {
    const Level level(this);
    if (level_ > kMaxNesting) return Bad("it nests too deeply");
    Body body;
    while (Peek().type != TokenType::kEnd) {
      auto statement = std::make_unique<Statement>();
      statement->line = Peek().line;
      if (Peek().type == TokenType::kData) {
        statement->text = Take().text;
      } else if (Peek().type == TokenType::kPrintBegin) {
        Take();
        statement->kind = Statement::Kind::kPrint;
        RAGMESH_ASSIGN_OR_RETURN(statement->expression, TupleOrExpression());
        if (Peek().type != TokenType::kPrintEnd)
          return Bad(absl::StrCat("unexpected \"", Peek().text, "\""));
        Take();
      } else {
        if (std::find(ends.begin(), ends.end(), Ahead(1).text) != ends.end()) return body;
        if (Ahead(1).text.substr(0, 3) == "end" || Ahead(1).text == "else" ||
            Ahead(1).text == "elif")
          return body;
        Take();
        RAGMESH_RETURN_IF_ERROR(Tag(statement.get()));
      }
      body.push_back(std::move(statement));
    }
    if (!ends.empty()) return Bad(absl::StrCat("\"", ends.back(), "\" is missing"));
    return body;
  }

  absl::Status BodyUntil(absl::string_view end, Body* body) {
    RAGMESH_ASSIGN_OR_RETURN(*body, Statements({end}));
    if (Ahead(1).text != end)
      return Bad(absl::StrCat("expected \"", end, "\" instead of \"", Ahead(1).text, "\""));
    return CloseTag();
  }

  absl::Status Tag(Statement* statement) {
    RAGMESH_ASSIGN_OR_RETURN(const std::string name, Name());
    if (name == "if") return If(statement);
    if (name == "for") return For(statement);
    if (name == "set") return Set(statement);
    if (name == "macro") return Macro(statement);
    if (name == "with") return With(statement);
    if (name == "break" || name == "continue") {
      if (loops_ == 0) return Bad(absl::StrCat("\"", name, "\" outside a loop"));
      statement->kind = name == "break" ? Statement::Kind::kBreak : Statement::Kind::kContinue;
      return EndBlock();
    }
    if (name == "generation") {  // marks what a model wrote, for training; no effect on the text
      statement->kind = Statement::Kind::kScope;
      RAGMESH_RETURN_IF_ERROR(EndBlock());
      return BodyUntil("endgeneration", &statement->body);
    }
    if (name == "filter") {
      statement->kind = Statement::Kind::kFilterBlock;
      ExpressionPtr chain;
      int links = 0;
      do {
        RAGMESH_RETURN_IF_ERROR(CheckChain(links++));
        RAGMESH_ASSIGN_OR_RETURN(chain, Filter(std::move(chain)));
      } while (Accept("|"));
      statement->expression = std::move(chain);
      RAGMESH_RETURN_IF_ERROR(EndBlock());
      return BodyUntil("endfilter", &statement->body);
    }
    if (name == "call") {
      statement->kind = Statement::Kind::kCallBlock;
      RAGMESH_ASSIGN_OR_RETURN(statement->expression, Unary(true));
      if (statement->expression->kind != Kind::kCall) return Bad("\"call\" needs a call");
      RAGMESH_RETURN_IF_ERROR(EndBlock());
      return BodyUntil("endcall", &statement->body);
    }
    return Bad(absl::StrCat("tag \"", name, "\" is not supported"));
  }

  absl::Status If(Statement* statement) {
    statement->kind = Statement::Kind::kIf;
    bool last = false;
    while (true) {
      Statement::Branch branch;
      if (!last) {
        RAGMESH_ASSIGN_OR_RETURN(branch.condition, TupleOrExpression());
      }
      RAGMESH_RETURN_IF_ERROR(EndBlock());
      RAGMESH_ASSIGN_OR_RETURN(branch.body, Statements({"elif", "else", "endif"}));
      statement->branches.push_back(std::move(branch));
      const std::string end = Ahead(1).text;
      if (end == "endif") return CloseTag();
      if (last || (end != "elif" && end != "else"))
        return Bad(absl::StrCat("unexpected \"", end, "\" in an if"));
      Take();
      Take();
      last = end == "else";
    }
  }

  absl::Status Targets(std::vector<Statement::Target>* targets) {
    const bool bracket = Accept("(");
    do {
      Statement::Target target;
      RAGMESH_ASSIGN_OR_RETURN(target.name, Name());
      if (Accept(".")) {
        RAGMESH_ASSIGN_OR_RETURN(target.attribute, Name());
      }
      targets->push_back(std::move(target));
    } while (Accept(","));
    return bracket ? Expect(")") : absl::OkStatus();
  }

  absl::Status For(Statement* statement) {
    statement->kind = Statement::Kind::kFor;
    RAGMESH_RETURN_IF_ERROR(Targets(&statement->targets));
    RAGMESH_RETURN_IF_ERROR(Expect("in"));
    RAGMESH_ASSIGN_OR_RETURN(statement->expression, TupleOrExpression(/*choose=*/false));
    if (Accept("if")) {
      RAGMESH_ASSIGN_OR_RETURN(statement->condition, Choose());
    }
    if (AtName("recursive")) return Bad("recursive loops are not supported");
    RAGMESH_RETURN_IF_ERROR(EndBlock());
    ++loops_;
    RAGMESH_ASSIGN_OR_RETURN(statement->body, Statements({"else", "endfor"}));
    --loops_;
    if (Ahead(1).text == "else") {
      RAGMESH_RETURN_IF_ERROR(CloseTag());
      return BodyUntil("endfor", &statement->else_body);
    }
    if (Ahead(1).text != "endfor")
      return Bad(absl::StrCat("unexpected \"", Ahead(1).text, "\" in a loop"));
    return CloseTag();
  }

  absl::Status Set(Statement* statement) {
    statement->kind = Statement::Kind::kSet;
    RAGMESH_RETURN_IF_ERROR(Targets(&statement->targets));
    if (Accept("=")) {
      RAGMESH_ASSIGN_OR_RETURN(statement->expression, TupleOrExpression());
      return EndBlock();
    }
    ExpressionPtr chain;
    for (int links = 0; Accept("|"); ++links) {
      RAGMESH_RETURN_IF_ERROR(CheckChain(links));
      RAGMESH_ASSIGN_OR_RETURN(chain, Filter(std::move(chain)));
    }
    statement->condition = std::move(chain);  // filters of the block form
    RAGMESH_RETURN_IF_ERROR(EndBlock());
    return BodyUntil("endset", &statement->body);
  }

  absl::Status Macro(Statement* statement) {
    statement->kind = Statement::Kind::kMacro;
    RAGMESH_ASSIGN_OR_RETURN(statement->text, Name());
    RAGMESH_RETURN_IF_ERROR(Expect("("));
    while (!Accept(")")) {
      if (!statement->parameters.empty()) RAGMESH_RETURN_IF_ERROR(Expect(","));
      RAGMESH_ASSIGN_OR_RETURN(std::string name, Name());
      ExpressionPtr fallback;
      if (Accept("=")) {
        RAGMESH_ASSIGN_OR_RETURN(fallback, Choose());
      }
      statement->parameters.emplace_back(std::move(name), std::move(fallback));
    }
    RAGMESH_RETURN_IF_ERROR(EndBlock());
    const int loops = std::exchange(loops_, 0);
    const absl::Status status = BodyUntil("endmacro", &statement->body);
    loops_ = loops;
    return status;
  }

  absl::Status With(Statement* statement) {
    statement->kind = Statement::Kind::kScope;
    while (Peek().type == TokenType::kName) {
      RAGMESH_ASSIGN_OR_RETURN(std::string name, Name());
      RAGMESH_RETURN_IF_ERROR(Expect("="));
      RAGMESH_ASSIGN_OR_RETURN(ExpressionPtr value, Choose());
      statement->targets.push_back({std::move(name), ""});
      statement->values.push_back(std::move(value));
      if (!Accept(",")) break;
    }
    RAGMESH_RETURN_IF_ERROR(EndBlock());
    return BodyUntil("endwith", &statement->body);
  }

  // "a, b" is a tuple where Jinja allows one without brackets.
  ExpressionOr TupleOrExpression(bool choose = true) {
    RAGMESH_ASSIGN_OR_RETURN(ExpressionPtr first, choose ? Choose() : Or());
    if (!AtOperator(",")) return first;
    ExpressionPtr tuple = Make(Kind::kTuple);
    tuple->operands.push_back(std::move(first));
    while (Accept(",")) {
      if (Peek().type == TokenType::kBlockEnd || Peek().type == TokenType::kPrintEnd) break;
      RAGMESH_ASSIGN_OR_RETURN(ExpressionPtr next, choose ? Choose() : Or());
      tuple->operands.push_back(std::move(next));
    }
    return tuple;
  }

  ExpressionOr Choose() {
    const Level level(this);
    if (level_ > kMaxNesting) return Bad("it nests too deeply");
    RAGMESH_ASSIGN_OR_RETURN(ExpressionPtr result, Or());
    for (int links = 0; AtName("if"); ++links) {
      RAGMESH_RETURN_IF_ERROR(CheckChain(links));
      ExpressionPtr choice = Make(Kind::kChoose);
      Take();
      RAGMESH_ASSIGN_OR_RETURN(ExpressionPtr condition, Or());
      ExpressionPtr otherwise;
      if (Accept("else")) {
        RAGMESH_ASSIGN_OR_RETURN(otherwise, Choose());
      }
      choice->operands.push_back(std::move(result));
      choice->operands.push_back(std::move(condition));
      choice->operands.push_back(std::move(otherwise));
      result = std::move(choice);
    }
    return result;
  }

  // A chain of the same shape costs the interpreter a level per link.
  absl::Status CheckChain(int links) const {
    return links > kMaxNesting ? Bad("an expression is too long") : absl::OkStatus();
  }

  ExpressionOr Join(Kind kind, ExpressionPtr left, ExpressionOr right) {
    if (!right.ok()) return right;
    ExpressionPtr joined = Make(kind);
    joined->operands.push_back(std::move(left));
    joined->operands.push_back(*std::move(right));
    return joined;
  }

  ExpressionOr Or() {
    RAGMESH_ASSIGN_OR_RETURN(ExpressionPtr left, And());
    for (int links = 0; Accept("or"); ++links) {
      RAGMESH_RETURN_IF_ERROR(CheckChain(links));
      RAGMESH_ASSIGN_OR_RETURN(left, Join(Kind::kOr, std::move(left), And()));
    }
    return left;
  }

  ExpressionOr And() {
    RAGMESH_ASSIGN_OR_RETURN(ExpressionPtr left, Not());
    for (int links = 0; Accept("and"); ++links) {
      RAGMESH_RETURN_IF_ERROR(CheckChain(links));
      RAGMESH_ASSIGN_OR_RETURN(left, Join(Kind::kAnd, std::move(left), Not()));
    }
    return left;
  }

  ExpressionOr Not() {
    if (!AtName("not")) return Compare();
    const Level level(this);
    if (level_ > kMaxNesting) return Bad("it nests too deeply");
    Take();
    ExpressionPtr negated = Make(Kind::kNot);
    RAGMESH_ASSIGN_OR_RETURN(ExpressionPtr operand, Not());
    negated->operands.push_back(std::move(operand));
    return negated;
  }

  ExpressionOr Compare() {
    RAGMESH_ASSIGN_OR_RETURN(ExpressionPtr left, Sum());
    ExpressionPtr chain;
    while (true) {
      std::string op;
      for (const absl::string_view known : {"==", "!=", "<=", ">=", "<", ">"}) {
        if (AtOperator(known)) op = std::string(known);
      }
      if (AtName("in")) op = "in";
      if (AtName("not") && Ahead(1).type == TokenType::kName && Ahead(1).text == "in")
        op = "not in";
      if (op.empty()) break;
      Take();
      if (op == "not in") Take();
      if (chain == nullptr) {
        chain = Make(Kind::kCompare);
        chain->operands.push_back(std::move(left));
      }
      RAGMESH_ASSIGN_OR_RETURN(ExpressionPtr right, Sum());
      chain->operators.push_back(std::move(op));
      chain->operands.push_back(std::move(right));
    }
    return chain != nullptr ? std::move(chain) : std::move(left);
  }

  ExpressionOr Chain(std::initializer_list<absl::string_view> operators,
                     ExpressionOr (Parser::*next)()) {
    RAGMESH_ASSIGN_OR_RETURN(ExpressionPtr left, (this->*next)());
    for (int links = 0; true; ++links) {
      RAGMESH_RETURN_IF_ERROR(CheckChain(links));
      const auto op = std::find_if(operators.begin(), operators.end(),
                                   [this](absl::string_view known) { return AtOperator(known); });
      if (op == operators.end()) return left;
      Take();
      RAGMESH_ASSIGN_OR_RETURN(left, Join(Kind::kBinary, std::move(left), (this->*next)()));
      left->name = std::string(*op);
    }
  }

  ExpressionOr Sum() { return Chain({"+", "-"}, &Parser::Concatenation); }
  ExpressionOr Concatenation() { return Chain({"~"}, &Parser::Product); }
  ExpressionOr Product() { return Chain({"*", "/", "//", "%"}, &Parser::Power); }
  ExpressionOr Power() { return Chain({"**"}, &Parser::Signed); }
  ExpressionOr Signed() { return Unary(true); }

  ExpressionOr Unary(bool with_filter) {
    const Level level(this);
    if (level_ > kMaxNesting) return Bad("it nests too deeply");
    ExpressionPtr result;
    if (AtOperator("-") || AtOperator("+")) {
      const bool negative = Take().text == "-";
      RAGMESH_ASSIGN_OR_RETURN(result, Unary(false));
      if (negative) {
        ExpressionPtr negated = Make(Kind::kNegate);
        negated->operands.push_back(std::move(result));
        result = std::move(negated);
      }
    } else {
      RAGMESH_ASSIGN_OR_RETURN(result, Primary());
      RAGMESH_ASSIGN_OR_RETURN(result, Postfix(std::move(result)));
    }
    return with_filter ? Filters(std::move(result)) : ExpressionOr(std::move(result));
  }

  ExpressionOr Constant(Value value) {
    ExpressionPtr constant = Make(Kind::kConstant);
    constant->value = std::move(value);
    return constant;
  }

  ExpressionOr Primary() {
    const Token token = Peek();
    switch (token.type) {
      case TokenType::kString: {
        std::string text;
        while (Peek().type == TokenType::kString) text += Take().text;  // neighbours are one string
        return Constant(MakeString(text));
      }
      case TokenType::kInteger: {
        std::int64_t number = 0;
        if (!absl::SimpleAtoi(token.text, &number)) return Bad("a number is too large");
        Take();
        return Constant(number);
      }
      case TokenType::kFloat: {
        double number = 0;
        if (!absl::SimpleAtod(token.text, &number)) return Bad("a number is too large");
        Take();
        return Constant(number);
      }
      case TokenType::kName: {
        Take();
        if (token.text == "true" || token.text == "True") return Constant(true);
        if (token.text == "false" || token.text == "False") return Constant(false);
        if (token.text == "none" || token.text == "None") return Constant(None{});
        ExpressionPtr name = Make(Kind::kName);
        name->name = token.text;
        return name;
      }
      default:
        break;
    }
    if (Accept("(")) return Brackets();
    if (Accept("[")) {
      ExpressionPtr list = Make(Kind::kList);
      RAGMESH_RETURN_IF_ERROR(Items("]", &list->operands));
      return list;
    }
    if (Accept("{")) return Dictionary();
    return Bad(absl::StrCat("expected an expression before \"", token.text, "\""));
  }

  absl::Status Items(absl::string_view end, std::vector<ExpressionPtr>* items) {
    while (!Accept(end)) {
      RAGMESH_ASSIGN_OR_RETURN(ExpressionPtr item, Choose());
      items->push_back(std::move(item));
      if (!Accept(",") && !AtOperator(end)) return Expect(end);
    }
    return absl::OkStatus();
  }

  ExpressionOr Brackets() {
    if (Accept(")")) return Make(Kind::kTuple);
    RAGMESH_ASSIGN_OR_RETURN(ExpressionPtr first, Choose());
    if (Accept(")")) return first;
    ExpressionPtr tuple = Make(Kind::kTuple);
    tuple->operands.push_back(std::move(first));
    RAGMESH_RETURN_IF_ERROR(Expect(","));
    RAGMESH_RETURN_IF_ERROR(Items(")", &tuple->operands));
    return tuple;
  }

  ExpressionOr Dictionary() {
    ExpressionPtr dictionary = Make(Kind::kDict);
    while (!Accept("}")) {
      RAGMESH_ASSIGN_OR_RETURN(ExpressionPtr key, Choose());
      RAGMESH_RETURN_IF_ERROR(Expect(":"));
      RAGMESH_ASSIGN_OR_RETURN(ExpressionPtr value, Choose());
      dictionary->operands.push_back(std::move(key));
      dictionary->operands.push_back(std::move(value));
      if (!Accept(",") && !AtOperator("}")) return Expect("}");
    }
    return dictionary;
  }

  ExpressionOr Postfix(ExpressionPtr base) {
    for (int links = 0; true; ++links) {
      RAGMESH_RETURN_IF_ERROR(CheckChain(links));
      if (Accept(".")) {
        ExpressionPtr attribute = Make(Kind::kAttribute);
        if (Peek().type == TokenType::kInteger) {  // list.0
          attribute->kind = Kind::kItem;
          attribute->operands.push_back(std::move(base));
          RAGMESH_ASSIGN_OR_RETURN(ExpressionPtr index, Primary());
          attribute->operands.push_back(std::move(index));
        } else {
          attribute->operands.push_back(std::move(base));
          RAGMESH_ASSIGN_OR_RETURN(attribute->name, Name());
        }
        base = std::move(attribute);
      } else if (Accept("[")) {
        RAGMESH_ASSIGN_OR_RETURN(base, Subscript(std::move(base)));
      } else if (AtOperator("(")) {
        ExpressionPtr call = Make(Kind::kCall);
        call->operands.push_back(std::move(base));
        RAGMESH_RETURN_IF_ERROR(Arguments(call.get()));
        base = std::move(call);
      } else {
        return base;
      }
    }
  }

  ExpressionOr Subscript(ExpressionPtr base) {
    ExpressionPtr item = Make(Kind::kItem);
    item->operands.push_back(std::move(base));
    ExpressionPtr parts[3];
    int count = 0;
    bool slice = false;
    while (!AtOperator("]")) {
      if (Accept(":")) {
        slice = true;
        if (++count > 2) return Bad("a slice has at most three parts");
        continue;
      }
      if (parts[count] != nullptr) return Expect("]");
      RAGMESH_ASSIGN_OR_RETURN(parts[count], Choose());
    }
    RAGMESH_RETURN_IF_ERROR(Expect("]"));
    if (!slice) {
      if (parts[0] == nullptr) return Bad("an empty subscript");
      item->operands.push_back(std::move(parts[0]));
      return item;
    }
    item->kind = Kind::kSlice;
    for (ExpressionPtr& part : parts) item->operands.push_back(std::move(part));
    return item;
  }

  absl::Status Arguments(Expression* call) {
    RAGMESH_RETURN_IF_ERROR(Expect("("));
    while (!Accept(")")) {
      if (AtOperator("*") || AtOperator("**")) return Bad("unpacked arguments are not supported");
      const bool named = Peek().type == TokenType::kName && Ahead(1).type == TokenType::kOperator &&
                         Ahead(1).text == "=";
      std::string name;
      if (named) {
        name = Take().text;
        Take();
      }
      RAGMESH_ASSIGN_OR_RETURN(ExpressionPtr value, Choose());
      if (named) {
        call->named.emplace_back(std::move(name), std::move(value));
      } else {
        call->operands.push_back(std::move(value));
      }
      if (!Accept(",") && !AtOperator(")")) return Expect(")");
    }
    return absl::OkStatus();
  }

  ExpressionOr Filter(ExpressionPtr base) {
    ExpressionPtr filter = Make(Kind::kFilter);
    RAGMESH_ASSIGN_OR_RETURN(filter->name, Name());
    filter->operands.push_back(std::move(base));
    if (AtOperator("(")) RAGMESH_RETURN_IF_ERROR(Arguments(filter.get()));
    return filter;
  }

  ExpressionOr Test(ExpressionPtr base) {
    const bool negated = Accept("not");
    ExpressionPtr test = Make(Kind::kTest);
    if (AtName("none") || AtName("None") || AtName("true") || AtName("false")) {
      test->name = Take().text;
    } else {
      RAGMESH_ASSIGN_OR_RETURN(test->name, Name());
    }
    test->operands.push_back(std::move(base));
    const TokenType type = Peek().type;
    const bool word = type == TokenType::kName && !AtName("else") && !AtName("or") &&
                      !AtName("and") && !AtName("is") && !AtName("if") && !AtName("in") &&
                      !AtName("not") && !AtName("recursive");
    if (AtOperator("(")) {
      RAGMESH_RETURN_IF_ERROR(Arguments(test.get()));
    } else if (word || type == TokenType::kString || type == TokenType::kInteger ||
               type == TokenType::kFloat || AtOperator("[") || AtOperator("{")) {
      RAGMESH_ASSIGN_OR_RETURN(ExpressionPtr argument, Primary());
      RAGMESH_ASSIGN_OR_RETURN(argument, Postfix(std::move(argument)));
      test->operands.push_back(std::move(argument));
    }
    if (!negated) return test;
    ExpressionPtr result = Make(Kind::kNot);
    result->operands.push_back(std::move(test));
    return result;
  }

  ExpressionOr Filters(ExpressionPtr base) {
    for (int links = 0; true; ++links) {
      RAGMESH_RETURN_IF_ERROR(CheckChain(links));
      if (Accept("|")) {
        RAGMESH_ASSIGN_OR_RETURN(base, Filter(std::move(base)));
      } else if (Accept("is")) {
        RAGMESH_ASSIGN_OR_RETURN(base, Test(std::move(base)));
      } else if (AtOperator("(")) {
        RAGMESH_ASSIGN_OR_RETURN(base, Postfix(std::move(base)));
      } else {
        return base;
      }
    }
  }

  const std::vector<Token> tokens_;
  std::size_t position_ = 0;
  int level_ = 0;
  int loops_ = 0;
};

}  // namespace

absl::StatusOr<Body> ParseTemplate(absl::string_view source) {
  RAGMESH_ASSIGN_OR_RETURN(std::vector<Token> tokens, Tokenise(source));
  return Parser(std::move(tokens)).Parse();
}

}  // namespace ragmesh::chat_template
